"""Intervals and tests against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.metrics.significance import (
    Interval,
    bootstrap_interval,
    mean_interval,
    paired_difference,
    wilson_interval,
)

stats = pytest.importorskip("scipy.stats")

SKEWED = np.random.default_rng(0).exponential(size=120)


@pytest.mark.parametrize(("method", "theirs"), [("percentile", "percentile"), ("bca", "BCa")])
def test_interval_of_a_mean_is_scipys(method, theirs: str) -> None:
    ours = mean_interval(SKEWED, resamples=40_000, method=method)
    expected = stats.bootstrap(
        (SKEWED,), np.mean, n_resamples=40_000, method=theirs, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=0.006)
    assert ours.value == SKEWED.mean()


def test_bca_shifts_with_the_skew() -> None:
    plain, corrected = (mean_interval(SKEWED, method=m) for m in ("percentile", "bca"))
    assert corrected.low > plain.low
    assert corrected.high > plain.high


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_any_statistic_gives_the_same_as_the_mean_where_it_is_the_mean(method) -> None:
    slow = bootstrap_interval(lambda rows: float(rows.mean()), SKEWED, resamples=500, method=method)
    fast = mean_interval(SKEWED, resamples=500, method=method)
    assert (slow.value, slow.low, slow.high) == pytest.approx((fast.value, fast.low, fast.high))


def test_rows_of_several_columns_stay_together() -> None:
    rows = np.stack([SKEWED, 2 * SKEWED], axis=1)
    interval = bootstrap_interval(lambda r: float(r[:, 1].sum() / r[:, 0].sum()), rows, resamples=50)
    assert (interval.low, interval.high) == pytest.approx((2, 2))


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    assert mean_interval(SKEWED, seed=3) == mean_interval(SKEWED, seed=3)
    assert mean_interval(SKEWED, seed=3) != mean_interval(SKEWED, seed=4)


def test_memory_bound_drawing_in_parts_still_draws_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagist.metrics.significance._DRAWN_AT_ONCE", 7 * len(SKEWED))
    interval = mean_interval(SKEWED, resamples=1000)
    assert interval.low < SKEWED.mean() < interval.high


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.sampled_from(["percentile", "bca"]))
def test_intervals_are_ordered_and_lie_within_the_values(values: list[float], method) -> None:
    interval = mean_interval(np.array(values), resamples=60, method=method)
    slack = 1e-9
    assert min(values) - slack <= interval.low <= interval.high <= max(values) + slack


def test_equal_values_leave_no_doubt() -> None:
    assert mean_interval(np.ones(5)) == Interval(1, 1, 1)


def test_coverage_is_what_it_says() -> None:
    draw = np.random.default_rng(5)
    hits = sum(1.0 in mean_interval(draw.exponential(size=60), resamples=400, seed=n) for n in range(300))
    assert 0.89 < hits / 300 < 0.98


def test_interval_reads_well() -> None:
    assert str(Interval(0.91234, 0.9, 0.92)) == "0.9123 [0.9, 0.92]"
    assert 0.9 in Interval(0.91, 0.9, 0.92)
    assert 0.93 not in Interval(0.91, 0.9, 0.92)


def test_paired_difference_is_that_of_the_differences() -> None:
    noise = np.random.default_rng(2).normal(0, 5, size=200)
    first, second = noise + 0.5, noise + np.random.default_rng(3).normal(0, 0.1, size=200)
    difference = paired_difference(first, second)
    assert difference.interval.value == pytest.approx((first - second).mean())
    assert difference.interval.low > 0.45  # the common noise has gone
    assert difference.p_value < 0.001


def test_paired_difference_of_any_statistic_draws_the_same_items_for_both() -> None:
    slow = paired_difference(SKEWED, SKEWED[::-1], statistic=lambda x: float(x.mean()), resamples=300)
    fast = paired_difference(SKEWED, SKEWED[::-1], resamples=300)
    assert slow.p_value == fast.p_value
    assert slow.interval.low == pytest.approx(fast.interval.low)
    assert paired_difference(SKEWED, SKEWED, statistic=np.median, resamples=20).interval == Interval(0, 0, 0)


def test_no_difference_is_no_evidence() -> None:
    assert paired_difference(SKEWED, SKEWED).p_value == 1
    p = paired_difference(np.arange(50) % 2, (np.arange(50) + 1) % 2).p_value
    assert p > 0.9


def test_p_values_under_no_difference_are_spread_evenly() -> None:
    draw = np.random.default_rng(7)
    p = [paired_difference(*draw.normal(size=(2, 40)), resamples=200, seed=n).p_value for n in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.001


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 50), st.floats(0.5, 0.999))
def test_wilson_is_scipys(successes: int, more: int, level: float) -> None:
    trials = successes + more
    ours = wilson_interval(successes, trials, level=level)
    expected = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert ours.low <= ours.value <= ours.high


@pytest.mark.parametrize(
    "call",
    [
        lambda: mean_interval(np.array([])),
        lambda: mean_interval(np.ones(3), level=1.0),
        lambda: mean_interval(np.ones(3), level=95),
        lambda: bootstrap_interval(np.mean, np.empty((0, 2))),
        lambda: paired_difference(np.ones(3), np.ones(4)),
        lambda: paired_difference(np.ones(0), np.ones(0)),
        lambda: wilson_interval(0, 0),
        lambda: wilson_interval(3, 2),
        lambda: wilson_interval(1, 2, level=0),
    ],
)
def test_refuses_what_makes_no_sense(call) -> None:
    with pytest.raises(UsageError):
        call()
