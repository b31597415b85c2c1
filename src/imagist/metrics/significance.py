"""Bootstrap intervals, and tests for the difference of two systems on the same items.

All random draws are seeded: equal calls return equal intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np

from imagist.arrays import AnyArray, Floats, Ints
from imagist.errors import UsageError

Method = Literal["percentile", "bca"]
Statistic = Callable[[AnyArray], float]

_DRAWN_AT_ONCE = 1 << 22  # items; bounds the memory of a vectorised bootstrap


@dataclass(frozen=True)
class Interval:
    """A value and its confidence interval.

    Attributes:
        value: On the items themselves.
        low: Lower bound.
        high: Upper bound.
        level: Confidence, 0..1.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class Difference:
    """The difference of the first of two systems over the second, and the two-sided p-value for no difference."""

    interval: Interval
    p_value: float


def mean_interval(
    values: AnyArray, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0, method: Method = "bca"
) -> Interval:
    """Bootstrap interval of a mean.

    Args:
        values: ``[N]``, one value an item.
        level: Confidence, 0..1.
        resamples: Number of draws of N items with replacement.
        seed: Of the draws.
        method: ``percentile``, or ``bca``: bias-corrected and accelerated (Efron 1987).

    Raises:
        UsageError: No values, or a level outside of 0..1.
    """
    x = np.asarray(values, dtype=np.float64)
    _check(x, level)
    drawn = np.concatenate([x[index].mean(axis=1) for index in _draws(len(x), resamples, seed)])
    left_out = (x.sum() - x) / max(1, len(x) - 1) if method == "bca" else None
    return interval_of(float(x.mean()), drawn, left_out, level)


def bootstrap_interval(
    statistic: Statistic,
    rows: AnyArray,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    method: Method = "percentile",
) -> Interval:
    """Bootstrap interval of any statistic of rows, such as ``lambda r: bleu_of_rows(r)[3]``.

    Args:
        statistic: From an array of rows to a number.
        rows: ``[N, ...]``, one row an item; ``numpy.arange(N)`` for a statistic of indices.
        level: Confidence, 0..1.
        resamples: Number of draws of N rows with replacement.
        seed: Of the draws.
        method: As in `mean_interval`; ``bca`` computes the statistic N times more.

    Raises:
        UsageError: No rows, or a level outside of 0..1.
    """
    rows = np.asarray(rows)
    _check(rows, level)
    drawn = np.array([statistic(rows[i]) for index in _draws(len(rows), resamples, seed) for i in index])
    left_out = np.array([statistic(np.delete(rows, i, axis=0)) for i in range(len(rows))]) if method == "bca" else None
    return interval_of(float(statistic(rows)), drawn, left_out, level)


def paired_difference(
    first: AnyArray,
    second: AnyArray,
    *,
    statistic: Statistic | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """The difference of two systems on the same N items (paired bootstrap, Koehn 2004; percentile interval).

    Args:
        first: ``[N, ...]``, one value or row an item.
        second: Of the second system, in the same order.
        statistic: From an array of rows to a number; by default the mean of values ``[N]``.
        level: Confidence, 0..1.
        resamples: Number of draws of N items, the same for both.
        seed: Of the draws.

    Raises:
        UsageError: No items, arrays of unequal length, or a level outside of 0..1.
    """
    a, b = np.asarray(first), np.asarray(second)
    _check(a, level)
    if a.shape != b.shape:
        raise UsageError(f"the two systems have different items: {list(a.shape)} and {list(b.shape)}")
    draws = _draws(len(a), resamples, seed)
    if statistic is None:
        x = a.astype(np.float64) - b
        value = float(x.mean())
        drawn = np.concatenate([x[index].mean(axis=1) for index in draws])
    else:
        value = float(statistic(a) - statistic(b))
        drawn = np.array([statistic(a[i]) - statistic(b[i]) for index in draws for i in index])
    return difference_of(value, drawn, level)


def interval_of(value: float, drawn: Floats, left_out: Floats | None = None, level: float = 0.95) -> Interval:
    """The interval of a statistic from its values on resamples.

    Args:
        value: On the items themselves.
        drawn: ``[B]``, on each of B resamples.
        left_out: ``[N]``, with each of N items left out, for a BCa interval (Efron 1987); None gives the percentile
            interval.
        level: Confidence, 0..1.

    Raises:
        UsageError: A level outside of 0..1.
    """
    _check(drawn, level)
    shares = np.array([(1 - level) / 2, (1 + level) / 2])
    if left_out is not None and np.ptp(drawn) > 0:
        shares = _corrected(shares, value, drawn, left_out)
    low, high = np.quantile(drawn, shares)
    return Interval(value, float(low), float(high), level)


def difference_of(value: float, drawn: Floats, level: float = 0.95) -> Difference:
    """The percentile interval and the p-value of a difference from its values on resamples.

    Args:
        value: On the items themselves.
        drawn: ``[B]``, on each of B resamples.
        level: Confidence, 0..1.

    Raises:
        UsageError: A level outside of 0..1.
    """
    # One more draw on either side keeps p above 0.
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(interval_of(value, drawn, None, level), min(1.0, 2 * (1 + int(tail)) / (1 + len(drawn))))


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Interval of a proportion, also valid near 0 and 1 (Wilson 1927).

    Raises:
        UsageError: No trials, more successes than trials, or a level outside of 0..1.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise UsageError(f"{successes} successes of {trials} trials")
    _check(np.empty(1), level)
    share, z = successes / trials, NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    # Rounding must not put a bound on the wrong side of the share.
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), level)


def _check(rows: AnyArray, level: float) -> None:
    if len(rows) == 0:
        raise UsageError("there are no items to resample")
    if not 0 < level < 1:
        raise UsageError(f"a confidence level lies between 0 and 1, got {level}", remedy="0.95, say")


def _draws(items: int, resamples: int, seed: int) -> Iterator[Ints]:
    """Indices ``[some, N]`` of items drawn with replacement, in blocks of ``resamples`` rows in total."""
    random = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // items)
    for start in range(0, resamples, at_once):
        yield random.integers(items, size=(min(at_once, resamples - start), items))


def _corrected(shares: Floats, value: float, drawn: Floats, left_out: Floats) -> Floats:
    """The quantiles of BCa in place of ``shares`` (Efron and Tibshirani 1993, section 14.3)."""
    normal = NormalDist()
    below = ((drawn < value).sum() + (drawn <= value).sum()) / (2 * len(drawn))
    edge = 0.5 / len(drawn)
    bias = normal.inv_cdf(float(np.clip(below, edge, 1 - edge)))
    away = left_out.mean() - left_out
    spread = float((away**2).sum() ** 1.5)
    skew = float((away**3).sum()) / (6 * spread) if spread else 0.0
    shifted = bias + np.array([normal.inv_cdf(share) for share in shares])
    return np.array([normal.cdf(bias + z / (1 - skew * z)) for z in shifted])
