"""How sure a figure is: bootstrap intervals, and tests for the difference of two systems on the same items.

All that draws at random is seeded: the same call gives the same interval.
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
    """A figure and its confidence interval.

    Attributes:
        value: The figure on the items themselves.
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
    """By how much the first of two systems is better, and the two-sided p-value of there being no difference."""

    interval: Interval
    p_value: float


def mean_interval(
    values: AnyArray, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0, method: Method = "bca"
) -> Interval:
    """Bootstrap interval of a mean.

    Args:
        values: ``[N]``, one value an item.
        level: Confidence, 0..1.
        resamples: How many times N items are drawn with replacement.
        seed: Of the draws.
        method: ``percentile``, or ``bca``: corrected for bias and for skew (Efron 1987).

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
    """Bootstrap interval of any figure that is computed from rows, such as ``lambda r: bleu_of_rows(r)[3]``.

    Args:
        statistic: The figure of an array of rows.
        rows: ``[N, ...]``, one row an item; ``numpy.arange(N)`` where the statistic wants to index for itself.
        level: Confidence, 0..1.
        resamples: How many times N rows are drawn with replacement.
        seed: Of the draws.
        method: As in `mean_interval`; ``bca`` computes the figure N times more.

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
    """How much better the first system is on the same N items (paired bootstrap, Koehn 2004; percentile interval).

    Args:
        first: ``[N, ...]``, one value or row an item.
        second: The same of the other system, in the same order.
        statistic: The figure of an array of rows; by default the mean of values ``[N]``.
        level: Confidence, 0..1.
        resamples: How many times the same N items are drawn for both.
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
    """The interval of a figure that was computed on resamples of its items.

    Args:
        value: The figure on the items themselves.
        drawn: ``[B]``, the figure on each of B resamples.
        left_out: ``[N]``, the figure with each of N items left out, for a BCa interval (Efron 1987); without them it is
            the percentile interval.
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
    """The percentile interval and the p-value of a difference that was computed on resamples of the items.

    Args:
        value: The difference on the items themselves.
        drawn: ``[B]``, the difference on each of B resamples.
        level: Confidence, 0..1.

    Raises:
        UsageError: A level outside of 0..1.
    """
    # One more draw on either side keeps p above 0, which no finite number of draws can show.
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(interval_of(value, drawn, None, level), min(1.0, 2 * (1 + int(tail)) / (1 + len(drawn))))


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Interval of a proportion, sound near 0 and 1 as well (Wilson 1927).

    Raises:
        UsageError: No trials, more successes than trials, or a level outside of 0..1.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise UsageError(f"{successes} successes of {trials} trials")
    _check(np.empty(1), level)
    share, z = successes / trials, NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    # Rounding must not put a bound of 0 or 1 on the wrong side of the share itself.
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), level)


def _check(rows: AnyArray, level: float) -> None:
    if len(rows) == 0:
        raise UsageError("there are no items to resample")
    if not 0 < level < 1:
        raise UsageError(f"a confidence level lies between 0 and 1, got {level}", remedy="0.95, say")


def _draws(items: int, resamples: int, seed: int) -> Iterator[Ints]:
    """Indices ``[some, N]`` of items drawn with replacement, until there were as many rows as resamples."""
    random = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // items)
    for start in range(0, resamples, at_once):
        yield random.integers(items, size=(min(at_once, resamples - start), items))


def _corrected(shares: Floats, value: float, drawn: Floats, left_out: Floats) -> Floats:
    """The quantiles that BCa takes instead of those asked for (Efron and Tibshirani 1993, section 14.3)."""
    normal = NormalDist()
    below = ((drawn < value).sum() + (drawn <= value).sum()) / (2 * len(drawn))
    edge = 0.5 / len(drawn)
    bias = normal.inv_cdf(float(np.clip(below, edge, 1 - edge)))
    away = left_out.mean() - left_out
    spread = float((away**2).sum() ** 1.5)
    skew = float((away**3).sum()) / (6 * spread) if spread else 0.0
    shifted = bias + np.array([normal.inv_cdf(share) for share in shares])
    return np.array([normal.cdf(bias + z / (1 - skew * z)) for z in shifted])
