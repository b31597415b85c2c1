"""Where somebody is to be seen."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.label_sentences import LabelNames, LabelSentences
from imagist.training.captioners.persons import Known, PersonDetector, fit_persons
from imagist.training.encoders.features import Grids

pytestmark = pytest.mark.torch

CHANNELS = 8


def grids(number, with_person, seed):
    """Noise; a person is a bump of one channel in three neighbouring cells of 49."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(number, 2, 7, 7, CHANNELS))
    for image in np.arange(number)[with_person]:
        y, x = rng.integers(0, 4, 2)
        rows[image, :, y : y + 3, x : x + 3, 2] += 2.5
    return Grids(rows.reshape(number, 2, 49, CHANNELS).astype(np.float16))


def test_captions_tell_where_somebody_is():
    said = [["a man runs", "a dog"], ["a dog", "two dogs"], ["a man"] + ["a dog"] * 2, ["a group of cars"]]
    known = Known.of(Corpus(grids(4, [0], 0), [[("en", text) for text in of] for of in said]))
    assert known.images.tolist() == [0, 1, 3]  # of the third it is not sure
    assert known.somebody.tolist() == [1, 0, 0]


def test_labels_tell_by_their_sentences():
    sentences = LabelSentences(
        {"thing": ("{a}", "a photo of {a}")},
        {"suit": LabelNames(("thing",), ("a man in a suit",)), "car": LabelNames(("thing",), ("a car",))},
    )
    known = Known.of(Corpus(grids(3, [1], 0), labels=["car", "suit", "car"], label_sentences=sentences))
    assert known.somebody.tolist() == [0, 1, 0]


def test_a_small_person_anywhere_is_found():
    half = np.arange(300) % 2 == 0
    learnt = Known(grids(300, half, 1), np.arange(300), half.astype(float))
    detector = fit_persons([learnt, Known.nobody(grids(100, [], 2))], CHANNELS, seed=0)
    other = np.arange(200) < 60
    with torch.no_grad():
        logits = detector(grids(200, other, 3).whole(0, 200)).numpy()
    assert np.mean(logits[other] > logits[~other].max()) > 0.8
    assert (logits[other] > 0).mean() > 0.9 > 0.2 > (logits[~other] > 0).mean()


def test_the_same_seed_gives_the_same_detector():
    half = np.arange(40) % 2 == 0
    learnt = [Known(grids(40, half, 1), np.arange(40), half.astype(float))]
    one, same, other = (fit_persons(learnt, CHANNELS, seed).cell.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("cells", [1, 4, 49])
def test_grids_may_be_small(cells):
    assert PersonDetector(CHANNELS)(torch.randn(3, cells, CHANNELS)).shape == (3,)
