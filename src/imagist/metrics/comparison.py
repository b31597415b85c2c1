"""Many systems against each other: on the same items, or over the same trials, with Holm's correction.

The tests need scipy.

Shapes: S systems; N items; R trials (seeds, or repetitions of the folds) of the same items; J trials with test items of
their own (folds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Bools, Floats
from imagist.errors import MissingExtra, UsageError
from imagist.metrics.resampling import Resamples
from imagist.metrics.significance import Difference, Interval, difference_of


@dataclass(frozen=True)
class Compared:
    """The comparison of a pair of systems.

    Attributes:
        first: Name of a system.
        second: Of another.
        difference: By how much the first is better, with its interval (of this pair alone).
        p_value: Two-sided, of there being no difference, of this pair alone.
        adjusted: The same after Holm's correction over all the pairs of the table.
        test: The test of the p-value: ``mcnemar`` or ``bootstrap``.
    """

    first: str
    second: str
    difference: Interval
    p_value: float
    adjusted: float
    test: str


def holm(p_values: Sequence[float] | AnyArray) -> Floats:
    """Adjusts p-values for multiple comparisons, float64 of the same length and order (Holm 1979).

    Raises:
        UsageError: A value outside 0..1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise UsageError("p-values lie in 0..1")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def mcnemar(first: Bools, second: Bools) -> float:
    """Two-sided exact p-value of McNemar's test: are two classifiers equally accurate on the same items (1947)?

    Args:
        first: ``[N]``, whether the first classifier is correct on each item.
        second: The same of the second.

    Raises:
        UsageError: Arrays of unequal length.
        MissingExtra: scipy is not installed.
    """
    a, b = np.asarray(first, dtype=np.bool_), np.asarray(second, dtype=np.bool_)
    if a.shape != b.shape:
        raise UsageError(f"the two systems have different items: {list(a.shape)} and {list(b.shape)}")
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(_scipy_stats().binomtest(only_first, only_first + only_second).pvalue)


def corrected_resampled_t(
    first: Sequence[float] | AnyArray,
    second: Sequence[float] | AnyArray,
    *,
    test_share: float,
    level: float = 0.95,
) -> Difference:
    """The difference of two systems over the same J splits into train and test (Nadeau and Bengio 2003).

    Splits share most of their training items, so their results vary less than those of independent sets. The variance
    of the mean difference is therefore (1/J + test_share / (1 - test_share)) times that of the differences, not 1/J
    times.

    Args:
        first: ``[J]``, the result of the first system in each trial, 2 or more.
        second: ``[J]``, of the second system in the same trials.
        test_share: Share of the items that each trial tests on: 1/k for k folds.
        level: Confidence, 0..1.

    Raises:
        UsageError: Fewer than 2 trials, unequal numbers of them, or a share or level outside of 0..1.
        MissingExtra: scipy is not installed.
    """
    a, b = _trials(first, level), _trials(second, level)
    if a.shape != b.shape:
        raise UsageError(f"the two systems have {len(a)} and {len(b)} trials", remedy="give the same trials of both")
    if not 0 < test_share < 1:
        raise UsageError(f"the share that is tested on lies between 0 and 1, got {test_share}")
    return _t_test(a - b, 1 / len(a) + test_share / (1 - test_share), level)


def compare_all(
    systems: Mapping[str, AnyArray], *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[Compared, ...]:
    """Each pair of systems on the same items, in the order of the mapping.

    Intervals are from the paired bootstrap over items, with the same resamples for all pairs. The p-value is McNemar's
    exact one for one trial, and the bootstrap's for several, because predictions of one item depend on each other.

    Args:
        systems: Two or more; ``[N]`` or ``[R, N]`` each, whether it was right on an item (in a trial).
        level: Confidence, 0..1.
        resamples: Number of draws of the N items.
        seed: Of the draws.

    Raises:
        UsageError: Fewer than 2 systems, different shapes, entries other than 0 and 1, no items, or a level outside of
            0..1.
    """
    right = {name: np.atleast_2d(np.asarray(values, dtype=np.float64)) for name, values in systems.items()}
    shapes = {name: values.shape for name, values in right.items()}
    if len(right) < 2 or len({*shapes.values()}) != 1 or any(len(shape) != 2 for shape in shapes.values()):
        raise UsageError(f"needs 2 or more systems, [N] or [R, N] and all alike, got {shapes}")
    if not all(np.isin(values, (0, 1)).all() for values in right.values()):
        raise UsageError("a system is right (1) or wrong (0) on an item")
    trials, items = next(iter(shapes.values()))
    if not trials:
        raise UsageError("there are no trials to compare")
    rows = np.stack([values.mean(axis=0) for values in right.values()], axis=1)
    drawn = Resamples(items, resamples, seed=seed).totals(rows) / items
    pairs = []
    for (i, first), (j, second) in combinations(enumerate(right), 2):
        value = float((rows[:, i] - rows[:, j]).mean())
        # Sums of equal numbers in another order may differ in their last bit, which must not pass for a difference.
        found = difference_of(value, np.round(drawn[:, i] - drawn[:, j], 12), level)
        p = mcnemar(right[first][0] == 1, right[second][0] == 1) if trials == 1 else found.p_value
        pairs.append(Compared(first, second, found.interval, p, p, "mcnemar" if trials == 1 else "bootstrap"))
    return _corrected(pairs)


def _corrected(pairs: list[Compared]) -> tuple[Compared, ...]:
    adjusted = holm([pair.p_value for pair in pairs])
    return tuple(replace(pair, adjusted=float(p)) for pair, p in zip(pairs, adjusted, strict=True))


def _trials(values: Sequence[float] | AnyArray, level: float) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all():
        raise UsageError(f"needs the figures of 2 or more trials, got {list(x.shape)}")
    if not 0 < level < 1:
        raise UsageError(f"a confidence level lies between 0 and 1, got {level}", remedy="0.95, say")
    return x


def _t_test(x: Floats, share: float, level: float) -> Difference:
    """Of a mean whose variance is a share of that of the values."""
    student = _scipy_stats().t
    mean, error_of_mean = float(x.mean()), sqrt(share * float(x.var(ddof=1)))
    half = float(student.ppf((1 + level) / 2, len(x) - 1)) * error_of_mean
    p = 0.0 if mean else 1.0  # without any spread
    if error_of_mean:
        p = 2 * float(student.sf(abs(mean) / error_of_mean, len(x) - 1))
    return Difference(Interval(mean, mean - half, mean + half, level), p)


def _scipy_stats() -> Any:
    try:
        import scipy.stats
    except ImportError as error:
        raise MissingExtra("tests of significance need scipy", remedy="pip install 'imagist[study]'") from error
    return scipy.stats
