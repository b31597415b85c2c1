"""Class metrics against scikit-learn, and against small cases worked by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.classes import (
    accuracy,
    brier_score,
    confusion_matrix,
    correct,
    expected_calibration_error,
    log_losses,
    negative_log_likelihood,
    per_class,
    reliability,
)

sklearn = pytest.importorskip("sklearn.metrics")


def made_up(items: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    scores = draw.dirichlet(np.full(classes, 0.5), size=items).astype(np.float32)
    return scores, np.where(draw.random(items) < 0.6, scores.argmax(axis=1), draw.integers(classes, size=items))


CASES = st.builds(made_up, st.integers(1, 40), st.integers(2, 6), st.integers(0, 10_000))


@settings(deadline=None)
@given(CASES, st.integers(1, 6))
def test_accuracy_is_sklearns(case: tuple[np.ndarray, np.ndarray], k: int) -> None:
    p, t = case
    assert accuracy(p, t) == pytest.approx(sklearn.accuracy_score(t, p.argmax(axis=1)))
    if 2 < p.shape[1] > k:
        expected = sklearn.top_k_accuracy_score(t, p, k=k, labels=range(p.shape[1]))
        assert accuracy(p, t, k=k) == pytest.approx(expected)


def test_of_equal_probabilities_the_lower_class_comes_first() -> None:
    p = np.full((3, 3), 1 / 3)
    assert correct(p, np.array([0, 1, 2])).tolist() == [True, False, False]
    assert correct(p, np.array([0, 1, 2]), k=2).tolist() == [True, True, False]


@settings(deadline=None)
@given(CASES)
def test_log_likelihood_is_sklearns(case: tuple[np.ndarray, np.ndarray]) -> None:
    p, t = case
    p = np.maximum(p.astype(np.float64), 1e-9)
    p /= p.sum(axis=1, keepdims=True)
    assert negative_log_likelihood(p, t) == pytest.approx(sklearn.log_loss(t, p, labels=range(p.shape[1])))


def test_a_probability_of_nothing_costs_much_but_not_everything() -> None:
    assert log_losses(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx([27.631], abs=1e-3)
    assert log_losses(np.array([[1.0, 0.0]]), np.array([0])).tolist() == [0]


def test_brier_score_by_hand() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0, 1, 0], [1, 0, 0]])
    assert brier_score(p, np.array([0, 1, 1])) == pytest.approx((0.09 + 0.04 + 0.01 + 0 + 2) / 3)


@settings(deadline=None)
@given(CASES)
def test_confusion_and_per_class_are_sklearns(case: tuple[np.ndarray, np.ndarray]) -> None:
    p, t = case
    classes, said = p.shape[1], p.argmax(axis=1)
    confusion = confusion_matrix(said, t, classes)
    assert confusion.tolist() == sklearn.confusion_matrix(t, said, labels=range(classes)).tolist()
    each = per_class(confusion)
    expected = sklearn.precision_recall_fscore_support(t, said, labels=range(classes), zero_division=0)
    for ours, theirs in zip((each.precision, each.recall, each.f1, each.support), expected, strict=True):
        assert ours == pytest.approx(theirs)


def test_calibration_error_by_hand() -> None:
    # Two bins of width 1/2: 0.5 belongs to the lower, as in Guo et al.
    p = np.array([[0.5, 0.5], [0.6, 0.4], [0.8, 0.2], [1.0, 0.0]])
    t = np.array([1, 0, 0, 0])
    curve = reliability(p, t, bins=2)
    assert curve.count.tolist() == [1, 3]
    assert curve.confidence == pytest.approx([0.5, 0.8])
    assert curve.accuracy == pytest.approx([0.0, 1.0])
    assert expected_calibration_error(p, t, bins=2) == pytest.approx((0.5 + 3 * 0.2) / 4)


def test_adaptive_bins_hold_equally_many_and_keep_equals_together() -> None:
    p, t = made_up(300, 4, seed=1)
    assert set(reliability(p, t, bins=10, adaptive=True).count.tolist()) == {30}
    equal = np.tile([[0.7, 0.3]], (10, 1))
    curve = reliability(equal, np.arange(10) % 2, bins=5, adaptive=True)
    assert sorted(curve.count.tolist()) == [0, 0, 0, 0, 10]
    assert curve.error == pytest.approx(0.2)


@settings(deadline=None)
@given(CASES, st.booleans(), st.integers(1, 20))
def test_calibration_error_is_the_definition(case: tuple[np.ndarray, np.ndarray], adaptive: bool, bins: int) -> None:
    p, t = case
    confidence, right = p.max(axis=1).astype(np.float64), correct(p, t)
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1)) if adaptive else np.linspace(0, 1, bins + 1)
    edges[0], edges[-1] = -1, 2
    total = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert expected_calibration_error(p, t, bins=bins, adaptive=adaptive) == pytest.approx(total)


@settings(deadline=None)
@given(CASES, st.randoms(use_true_random=False))
def test_order_of_items_does_not_count(case: tuple[np.ndarray, np.ndarray], draw) -> None:
    p, t = case
    order = draw.sample(range(len(t)), len(t))
    for figure in (accuracy, negative_log_likelihood, brier_score, expected_calibration_error):
        assert figure(p[order], t[order]) == pytest.approx(figure(p, t))
    assert expected_calibration_error(p[order], t[order], adaptive=True) == pytest.approx(
        expected_calibration_error(p, t, adaptive=True)
    )


@pytest.mark.parametrize("figure", [accuracy, negative_log_likelihood, brier_score, expected_calibration_error])
@pytest.mark.parametrize(
    ("p", "t"),
    [
        ([], []),
        ([[0.5, 0.5]], [0, 1]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [-1]),
        ([[0.5, 0.5]], [0.0]),
        ([[0.5, 0.6]], [0]),
        ([[1.5, -0.5]], [0]),
        ([[float("nan"), 1]], [0]),
        ([0.5, 0.5], [0, 1]),
    ],
)
def test_refuses_what_are_no_probabilities_and_targets(figure, p, t) -> None:
    with pytest.raises(UsageError):
        figure(np.array(p), np.array(t))


@pytest.mark.parametrize(("said", "truth"), [([0, 1], [0]), ([3], [0]), ([0], [-1]), ([[0]], [[0]]), ([0.5], [0])])
def test_confusion_refuses_what_are_no_classes(said, truth) -> None:
    with pytest.raises(UsageError):
        confusion_matrix(np.array(said), np.array(truth), 3)
