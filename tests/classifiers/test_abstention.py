"""Risk, coverage and thresholds that keep their promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.classifiers.abstention import Abstention, risk_bound, risk_coverage, threshold_at_risk
from imagist.errors import UsageError


def honest(items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two classes that come true as often as they say: top ones spread evenly over 0.5..1."""
    draw = np.random.default_rng(seed)
    top = draw.uniform(0.5, 1, items)
    targets = draw.integers(2, size=items)
    said = np.where(draw.random(items) < top, targets, 1 - targets)
    p = np.empty((items, 2))
    p[np.arange(items), said], p[np.arange(items), 1 - said] = top, 1 - top
    return p, targets


def true_risk(threshold: float) -> float:
    """Of `honest` above a threshold."""
    return 1 - (1 + threshold) / 2


def test_the_curve_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.6, 0.4]])
    curve = risk_coverage(p, np.array([0, 1, 1, 1]))
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.75, 1]
    assert curve.risk == pytest.approx([0, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx((0 + 2 / 3 + 1 / 2) / 4)


@given(st.integers(1, 60), st.integers(0, 1000), st.integers(1, 3))
def test_the_curve_is_the_definition(items: int, seed: int, digits: int) -> None:
    p, t = honest(items, seed)
    p = np.round(p, digits)  # so that some are equal
    confidence, wrong = p.max(axis=1), p.argmax(axis=1) != t
    curve = risk_coverage(p, t)
    for threshold, coverage, risk in zip(curve.thresholds, curve.coverage, curve.risk, strict=True):
        assert coverage == pytest.approx((confidence >= threshold).mean())
        assert risk == pytest.approx(wrong[confidence >= threshold].mean())
    assert curve.risk[-1] == pytest.approx(wrong.mean())
    assert curve.area == pytest.approx(np.mean([wrong[confidence >= own].mean() for own in confidence]))
    assert curve.coverage[-1] == 1


@given(st.integers(1, 60), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_order_of_items_and_classes_does_not_count(items: int, seed: int, draw) -> None:
    p, t = honest(items, seed)
    order = draw.sample(range(items), items)
    one, other = risk_coverage(p, t), risk_coverage(p[order][:, ::-1], 1 - t[order])
    assert one.area == pytest.approx(other.area)
    assert threshold_at_risk(p, t, 0.2) == threshold_at_risk(p[order][:, ::-1], 1 - t[order], 0.2)


def test_a_better_order_leaves_less_area_and_the_same_risk() -> None:
    p, t = honest(2000)
    shuffled = p[np.random.default_rng(1).permutation(len(p))]
    wrong = p.argmax(axis=1) != t
    same_hits = np.where(wrong, 1 - shuffled.argmax(axis=1), shuffled.argmax(axis=1))
    assert risk_coverage(p, t).area < 0.75 * risk_coverage(shuffled, same_hits).area
    assert risk_coverage(shuffled, same_hits).area == pytest.approx(wrong.mean(), abs=0.03)


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.5, 0.9999))
def test_the_bound_is_clopper_and_pearsons(mistakes: int, more: int, level: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.beta.ppf(level, mistakes + 1, more)
    assert risk_bound(mistakes, mistakes + more, level) == pytest.approx(expected, abs=1e-9)
    exact = stats.binomtest(mistakes, mistakes + more, alternative="less").proportion_ci(level)
    assert risk_bound(mistakes, mistakes + more, level) == pytest.approx(exact.high, abs=1e-6)


def test_the_bound_at_its_ends() -> None:
    assert risk_bound(5, 5, 0.95) == 1
    assert risk_bound(0, 100, 0.95) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert risk_bound(400, 20_000, 0.95) == pytest.approx(0.0218, abs=2e-4)


def test_the_threshold_has_the_risk_and_the_coverage_above_it() -> None:
    p, t = honest(3000)
    found = threshold_at_risk(p, t, 0.1)
    assert found.threshold is not None
    answered = p.max(axis=1) >= found.threshold
    assert found.coverage == pytest.approx(answered.mean())
    assert found.risk == pytest.approx((p.argmax(axis=1) != t)[answered].mean())
    assert found.risk < found.bound <= 0.1
    assert 0.2 < found.coverage < 0.4  # at most 0.4 of the items are at a risk of 0.1


def test_the_bound_holds_as_often_as_its_confidence() -> None:
    broken, promised = 0, 0
    for seed in range(150):
        found = threshold_at_risk(*honest(300, seed), 0.15, confidence=0.8)
        promised += found.threshold is not None
        broken += found.threshold is not None and true_risk(found.threshold) > 0.15
    assert promised > 125
    assert broken / 150 < 0.2


def test_more_items_and_less_confidence_leave_more_coverage() -> None:
    few, many = (threshold_at_risk(*honest(items), 0.15).coverage for items in (300, 20_000))
    assert few < many < 0.6
    assert threshold_at_risk(*honest(1000), 0.15, 0.99).coverage < threshold_at_risk(*honest(1000), 0.15, 0.6).coverage


def test_without_a_bound_there_is_no_threshold() -> None:
    p, t = honest(200)
    assert threshold_at_risk(p, t, 0.001) == Abstention(None, 0.0, 0.0, 0.0)
    assert threshold_at_risk(p[:1], t[:1], 0.5).threshold is None


def test_where_all_are_right_all_are_answered() -> None:
    p, t = honest(500)
    found = threshold_at_risk(p, p.argmax(axis=1), 0.05)
    assert (found.threshold, found.coverage, found.risk) == (pytest.approx(p.max(axis=1).min()), 1, 0)
    assert found.bound < 0.05
    assert len(t) == 500


def test_the_pipeline_that_takes_the_threshold_answers_those_items() -> None:
    p = honest(800)[0].astype(np.float32)
    found = threshold_at_risk(p, honest(800)[1], 0.15)
    assert found.threshold is not None
    answered = sum(not row.max() < found.threshold for row in p)  # as `Pipeline.predict` asks
    assert answered / 800 == pytest.approx(found.coverage)


@pytest.mark.parametrize(
    "call",
    [
        lambda: risk_coverage(np.ones((2, 2)), np.array([0])),
        lambda: risk_coverage(np.full((1, 2), np.nan), np.array([0])),
        lambda: threshold_at_risk(*honest(5), 0.0),
        lambda: threshold_at_risk(*honest(5), 1.0),
        lambda: threshold_at_risk(*honest(5), 0.1, confidence=95),
        lambda: threshold_at_risk(np.ones((0, 2)), np.array([], dtype=int), 0.1),
        lambda: risk_bound(0, 0, 0.95),
        lambda: risk_bound(3, 2, 0.95),
        lambda: risk_bound(1, 2, 1.0),
    ],
)
def test_refuses_what_makes_no_sense(call) -> None:
    with pytest.raises(UsageError):
        call()
