"""Phase 3: which phrases are concepts, the detector that learns them, and what it makes of hypotheses."""

from __future__ import annotations

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from tiny_training import CELLS, CHANNELS

from imagist.captioning.reranking.concepts import from_lines, to_lines
from imagist.errors import DataError
from imagist.training.captioners import concepts
from imagist.training.captioners.concepts import Reranker, frequent_phrases, train_concepts
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.recipe import ConceptDetection
from imagist.training.captioners.vocabulary import build_vocabulary
from imagist.training.encoders.features import Grids
from imagist.training.networks.concepts import ConceptDetector, pooled

pytestmark = pytest.mark.torch

SETTINGS = ConceptDetection(
    epochs=60,
    min_count=2,
    members=2,
    batch_size=8,
    hidden_size=16,
    dropout=0.2,
    learning_rate=1e-2,
    weight=3.0,
    power=0.5,
)
SAID = {0: ("a dog runs", "a dog"), 1: ("a red car", "a car stands")}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus():
    """Two kinds of photos, told apart by their first channel."""
    kinds = np.arange(24) % 2
    drawn = np.random.default_rng(0).normal(size=(24, 2, CELLS, CHANNELS))
    drawn[..., 0] += 4 * kinds[:, None, None]
    return Corpus(Grids(drawn.astype(np.float16)), [[("en", text) for text in SAID[kind]] for kind in kinds])


def learnt(corpus, path, config=SETTINGS, seed=1):
    return train_concepts(corpus, torch.nn.Identity(), "en", config, path / "concepts.pt", seed=seed, device=CPU)


def test_concepts_are_the_phrases_of_enough_sentences():
    references = [["a dog runs", "a dog"], ["a car", "the dog runs"], ["grass"]]
    known, shares = frequent_phrases(references, SETTINGS)
    assert known.counts == {"a": 2, "a dog": 1, "dog": 2, "dog runs": 2, "runs": 2}
    assert (known.photos, known.weight, known.power) == (3, 3.0, 0.5)
    assert shares.tolist() == [[1, 1, 1, 0.5, 0.5], [0.5, 0, 0.5, 0.5, 0.5], [0, 0, 0, 0, 0]]
    pairs = [sqrt(log(3) ** 2 + log(1.5) ** 2), log(3), log(3), sqrt(log(3) ** 2 + log(1.5) ** 2), 0]
    assert known.lengths[1] == pytest.approx(np.mean(pairs))


def test_sentences_may_all_be_short():
    known, _ = frequent_phrases([["cat", "cat"], ["dog", "dog"]], SETTINGS)
    assert known.lengths == pytest.approx((log(2), 1, 1, 1))
    assert from_lines(to_lines(known).splitlines(), {"photos": 2, "lengths": known.lengths, "weight": 1, "power": 1})


def test_it_learns_what_people_say_of_which_photos(corpus, tmp_path):
    reranker = learnt(corpus, tmp_path)
    with torch.no_grad():
        shares = reranker.detector(corpus.features.whole(0, 24)).numpy()
    said = [*reranker.concepts.counts]
    assert (shares[0::2, said.index("a dog")] > 0.8).all()
    assert (shares[1::2, said.index("a dog")] < 0.2).all()
    assert shares[1::2, said.index("car")].min() > 0.8
    assert abs(shares[:, said.index("a")].mean() - 1) < 0.1

    words = build_vocabulary([text for of in SAID.values() for text in of], ["en"], 1)
    hypotheses = [words.encode(text, 6)[1:] for text in ("a dog runs", "a car stands")]
    reranker_score = reranker.reranker_score(corpus.features.whole(0, 2), words)
    assert reranker_score(0, hypotheses).argmax() == 0
    assert reranker_score(1, hypotheses).argmax() == 1


def test_it_begins_with_what_is_usual(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(concepts, "warmup_cosine", lambda *_, **__: 0.0)
    reranker = learnt(corpus, tmp_path)
    seen = pooled(corpus.features.whole(0, 24))
    torch.testing.assert_close(reranker.detector.mean, seen.mean(0))
    with torch.no_grad():
        shares = reranker.detector(corpus.features.whole(0, 24))
    usual = frequent_phrases(corpus.references("en"), SETTINGS)[1].mean(0)
    torch.testing.assert_close(shares.mean(0), usual, atol=0.02, rtol=0)


def test_what_was_learnt_is_kept_and_repeats_for_a_seed(corpus, tmp_path, monkeypatch):
    first, again, other = (
        learnt(corpus, tmp_path / name, replace(SETTINGS, epochs=2), seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert equal(first, again)
    assert not equal(first, other)
    monkeypatch.setattr(concepts, "_train", lambda *_: pytest.fail("learnt again"))
    read = learnt(corpus, tmp_path / "c", replace(SETTINGS, epochs=2), 1)
    assert equal(read, other)
    assert not read.detector.training


def equal(one: Reranker, other: Reranker):
    pairs = zip(one.detector.state_dict().values(), other.detector.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_an_encoder_is_asked_for_grids(corpus, tmp_path):
    class Doubled(torch.nn.Module):
        def forward(self, given):
            return torch.cat([given, given], 2)

    reranker = train_concepts(
        corpus, Doubled(), "en", replace(SETTINGS, epochs=1), tmp_path / "concepts.pt", seed=1, device=CPU
    )
    assert reranker.detector(torch.zeros(2, CELLS, 2 * CHANNELS)).shape == (2, len(reranker.concepts.counts))


def test_phrases_that_nobody_says_often_enough_are_an_error(corpus, tmp_path):
    with pytest.raises(DataError, match="no phrase occurs in 1000 captions") as caught:
        learnt(corpus, tmp_path, replace(SETTINGS, min_count=1000))
    assert caught.value.item == "concepts.min_count"


def test_a_detector_gives_shares_and_drops_only_while_it_learns():
    torch.manual_seed(0)
    detector, grid = ConceptDetector(CHANNELS, 5, 3, 8, 0.5), torch.randn(3, CELLS, CHANNELS)
    assert not torch.equal(detector(grid), detector(grid))
    shares = detector.eval()(grid)
    assert shares.shape == (3, 5)
    assert ((shares > 0) & (shares < 1)).all()
    members = [torch.sigmoid(member(detector.standardised(pooled(grid)))) for member in detector.members]
    assert not torch.allclose(members[0], members[1])
    torch.testing.assert_close(shares, (members[0] + members[1] + members[2]) / 3)
    torch.testing.assert_close(shares[1:2], detector(grid[1:2]))
    assert torch.equal(pooled(grid)[:, CHANNELS:], grid.amax(1))
