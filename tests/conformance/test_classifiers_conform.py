"""What every classifier of words and every classifier of images must do."""

from __future__ import annotations

import numpy as np
import pytest

from imagist import registry
from imagist.bundle import open_bundle
from imagist.images import VIEWS
from imagist.images.encoder import Encoder
from imagist.protocols import ImageClassifier, TextClassifier

TEXTS = ["a cat is looking at the camera", "A CAT is looking at the camera", "a red car", "", "xyzzy", "!!", "ein Hund"]
KINDS = [("text_classifiers", name, "-") for name in registry.names("text_classifiers")]
KINDS += [("image_classifiers", name, views) for name in registry.names("image_classifiers") for views in VIEWS]


@pytest.fixture(scope="module", params=KINDS, ids=" ".join)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def make(kind):
    floor, name, views = kind
    bundle = open_bundle("embedded")
    door = registry.find(floor, name)
    return (
        (lambda: door(bundle)) if floor == "text_classifiers" else (lambda: door(bundle, Encoder(bundle, views=views)))
    )


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
    assert tuple(classifier.labels) == tuple(open_bundle("embedded").card["labels"])


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


def test_it_tells_items_apart(scores):
    assert np.ptp(scores, axis=0).max() > 0.01
