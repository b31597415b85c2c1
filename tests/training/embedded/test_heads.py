"""The two heads against scikit-learn, and what is chosen for them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from imagist.classifiers.ngrams import counts
from imagist.classifiers.taxonomy import Taxonomy, identity
from imagist.records import LabelSet
from imagist.training.embedded import heads
from imagist.training.embedded.heads import Linear, fit_linear

pytestmark = pytest.mark.torch

CAPTIONS = [
    "a dog runs on the grass", "a brown dog", "a man 's dog on a red t-shirt", "a red car on the street", "the red car",
    "a man and a woman", "a woman on the street", "the dog and the man", "a red car and a dog",
]  # fmt: skip


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 120)
    x = (rng.normal(size=(120, 5)) + 1.2 * np.eye(3, 5)[targets]).astype(np.float32)
    return x, targets, rng.uniform(0.2, 1, 120).astype(np.float32)


@pytest.mark.parametrize("penalty", [1e-2, 1e-3, 1e-4])
def test_the_layer_is_scikit_learn_s_logistic_regression(problem, penalty):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, targets, weights = problem
    theirs = linear_model.LogisticRegression(C=1 / (2 * penalty * weights.sum()), max_iter=2000, tol=1e-8)
    theirs.fit(x.astype(np.float64), targets, sample_weight=weights)
    matrix, bias = fit_linear(x, targets, weights, 3, penalty)
    assert matrix.shape == (5, 3)
    np.testing.assert_allclose(Linear(matrix, bias, 1.0).scores(x), theirs.predict_proba(x), atol=2e-3)


def test_a_weight_of_two_is_the_example_given_twice(problem):
    x, targets, _ = problem
    weights = np.ones(len(x), np.float32)
    weights[:10] = 2
    twice = np.concatenate([x, x[:10]]), np.concatenate([targets, targets[:10]]), np.ones(130, np.float32)
    one, other = fit_linear(x, targets, weights, 3, 1e-2), fit_linear(*twice, 3, 1e-2)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_terms_are_weighed_as_scikit_learn_does():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    terms = heads.best_terms(CAPTIONS, least=2)
    table = counts(CAPTIONS, {term: i for i, term in enumerate(terms)})
    idf = heads.inverse_frequency(table)
    theirs = text.TfidfVectorizer(token_pattern=r"[\w'-]+", ngram_range=(1, 2), vocabulary=list(terms))
    np.testing.assert_allclose(heads.weighed(table, idf), theirs.fit_transform(CAPTIONS).toarray(), atol=1e-6)


def test_a_text_without_known_terms_weighs_nothing():
    row = heads.weighed(np.zeros((1, 3), np.float32), np.ones(3, np.float32))
    np.testing.assert_array_equal(row, np.zeros((1, 3)))


def test_terms_are_those_of_enough_captions_most_frequent_first():
    terms = heads.best_terms(["a a b", "a c", "a b"], least=2)
    assert terms == ("a", "a b", "b")
    assert heads.best_terms(["a a b", "a c", "a b"], least=3) == ("a",)


def test_the_best_of_the_penalties_is_no_worse_than_any(problem):
    x, targets, weights = problem
    dev = x[:40], targets[:40]
    best = heads.best_linear("test", (x[40:], targets[40:], weights[40:]), dev, 3)

    def loss(linear):
        return -np.log(linear.scores(dev[0])[np.arange(40), dev[1]]).mean()

    for penalty in (1e-2, 1e-4, 3e-6):
        assert loss(best) <= loss(Linear(*fit_linear(x[40:], targets[40:], weights[40:], 3, penalty), 1.0)) + 1e-6


LABELS = LabelSet(("bird", "cat", "dog", "person"))


def test_the_fusion_of_a_taxonomy_leaves_out_what_is_in_no_category():
    rng = np.random.default_rng(0)
    names = list(LABELS) * 10
    goal = np.array([LABELS.index(name) for name in names])
    image = np.full((40, 4), 0.1) + 0.6 * np.eye(4)[goal]
    text = rng.dirichlet(np.ones(4), 40)
    pets = Taxonomy("pets", LabelSet(("pet", "wild")), {"pet": ("cat", "dog"), "wild": ("bird",)})
    for taxonomy in (identity(LABELS), pets):
        entry = heads.fit_fusion(taxonomy, LABELS, image, text, names)
        assert entry["weight"] < 0.5
        assert len(entry["temperatures"]) == heads.WEIGHT_GRID
        assert all(t > 0 for t in entry["temperatures"])
        assert entry["interval"][0] <= entry["weight"] <= entry["interval"][1]
