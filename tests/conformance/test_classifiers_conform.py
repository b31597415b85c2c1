"""What every classifier of words and every classifier of images must do."""

from __future__ import annotations

import numpy as np
import pytest

import sample_parts
from imagist import registry
from imagist.images import VIEWS
from imagist.protocols import ImageClassifier, PartOptions, TextClassifier
from imagist.records import LabelSet

TEXTS = ["a cat is looking at the camera", "A CAT is looking at the camera", "a red car", "", "xyzzy", "!!", "ein Hund"]
PLAIN = [(kinds, name, "-") for kinds in ("text_classifiers", "image_classifiers") for name in registry.BUILT_IN[kinds]]
KINDS = [*PLAIN, *(("image_classifiers", "linear", views) for views in VIEWS)]


@pytest.fixture(scope="module", params=KINDS, ids=" ".join)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def make(kind, tmp_path_factory):
    """Makes the classifier anew: that of the model that ships where views are named."""
    kinds, name, views = kind
    if name in sample_parts.NEED_TORCH:
        pytest.importorskip("timm" if kinds == "image_classifiers" else "transformers")
    if views != "-":
        return lambda: registry.find(kinds, name)("embedded", PartOptions(views=views))
    folder = tmp_path_factory.mktemp(name)
    return lambda: sample_parts.KINDS[kinds](folder)[name]()[0]


@pytest.fixture(scope="module")
def classifier(make):
    return make()


@pytest.fixture(scope="module")
def items(kind, photos):
    return TEXTS if kind[0] == "text_classifiers" else photos


@pytest.fixture(scope="module")
def scores(classifier, items):
    return classifier.scores(items)


def test_it_follows_its_protocol(classifier, kind):
    assert isinstance(classifier, TextClassifier if kind[0] == "text_classifiers" else ImageClassifier)


def test_rows_are_distributions_over_fixed_labels(classifier, items, scores):
    assert scores.shape == (len(items), len(classifier.labels))
    assert scores.dtype == np.float32
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    assert isinstance(classifier.labels, LabelSet)


def test_an_empty_batch_gives_no_rows(classifier):
    empty = classifier.scores([])
    assert empty.shape == (0, len(classifier.labels))
    assert empty.dtype == np.float32


def test_a_batch_scores_as_single_items_do(make, items, scores):
    alone = make()
    for item, row in zip(items, scores, strict=True):
        np.testing.assert_allclose(alone.scores([item])[0], row, atol=1e-5)


def test_another_order_gives_the_same_scores_in_that_order(make, items, scores):
    order = np.random.default_rng(2).permutation(len(items))
    np.testing.assert_allclose(make().scores([items[i] for i in order]), scores[order], atol=1e-5)


def test_it_repeats_itself_exactly(classifier, items, scores):
    np.testing.assert_array_equal(classifier.scores(items), scores)


def test_it_tells_items_apart(scores, kind):
    assert bool(np.ptp(scores, axis=0).max() > 0.01) is (kind[1] != "uniform")
