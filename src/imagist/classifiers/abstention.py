"""Says nothing where it is not sure enough: thresholds on the top probability, and the risk that is left above them.

Risk is the share of mistakes among the items that get an answer; coverage is the share of items that do.

Shapes: N items; C classes; K distinct top probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, log2

import numpy as np

from imagist.arrays import AnyArray, Floats, Ints
from imagist.classifiers.calibration import check_targets
from imagist.errors import UsageError

_HALVINGS = 60  # of the range of a probability: to the last bits of a double


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """What each threshold costs and leaves, the highest first.

    Attributes:
        thresholds: float64 ``[K]``, falling: items of this top probability or more get an answer.
        answered: int64 ``[K]``, how many they are.
        mistakes: int64 ``[K]``, how many of the answers are wrong.
    """

    thresholds: Floats
    answered: Ints
    mistakes: Ints

    @property
    def coverage(self) -> Floats:
        """Share of the items that get an answer, ``[K]``, rising to 1."""
        return np.asarray(self.answered / self.answered[-1])

    @property
    def risk(self) -> Floats:
        """Share of the answers that are wrong, ``[K]``, 0..1."""
        return np.asarray(self.mistakes / self.answered)

    @cached_property
    def area(self) -> float:
        """Mean over the items of the risk at each one's own threshold, 0..1: AURC (Geifman et al. 2019)."""
        return float((np.diff(self.answered, prepend=0) * self.risk).sum() / self.answered[-1])


@dataclass(frozen=True)
class Abstention:
    """A threshold with its guarantee.

    Attributes:
        threshold: Items of this top probability or more get an answer; None where no threshold can promise the risk,
            so that none gets one.
        coverage: Share of the held-out items that get an answer, 0..1.
        risk: Share of those answers that are wrong; 0 where there are none.
        bound: What the risk on items of the same kind stays below with the confidence asked for; 0 where there are no
            answers.
    """

    threshold: float | None
    coverage: float
    risk: float
    bound: float


def risk_coverage(probabilities: AnyArray, targets: AnyArray) -> RiskCoverage:
    """The curve over every threshold that tells items apart; equal top probabilities stay together.

    Args:
        probabilities: ``[N, C]``.
        targets: Integers ``[N]``, 0..C-1.

    Raises:
        UsageError: Shapes or targets that make no sense, or a probability that is not finite.
    """
    p, t = np.asarray(probabilities), np.asarray(targets)
    check_targets(p, t)
    if not np.isfinite(p).all():
        raise UsageError("probabilities must be finite")
    values, place, count = np.unique(p.max(axis=1), return_inverse=True, return_counts=True)
    wrong = np.bincount(place, p.argmax(axis=1) != t, len(values)).astype(np.int64)
    return RiskCoverage(values[::-1].astype(np.float64), count[::-1].cumsum(), wrong[::-1].cumsum())


def threshold_at_risk(probabilities: AnyArray, targets: AnyArray, risk: float, confidence: float = 0.95) -> Abstention:
    """The threshold of most coverage found whose risk is below the one asked for, on items of the same kind.

    Selection with guaranteed risk (Geifman and El-Yaniv 2017, algorithm 2): halves the range of thresholds about
    log2(N) times; each try's upper bound has its part of the doubt, so that all of them hold at once.

    Args:
        probabilities: ``[N, C]`` on held-out items, which neither the classifier nor its calibration was fitted to.
        targets: Integers ``[N]``, 0..C-1.
        risk: The greatest share of wrong answers, between 0 and 1.
        confidence: Of the promise, between 0 and 1.

    Raises:
        UsageError: Shapes or targets that make no sense, or a risk or confidence outside of its range.
    """
    for name, share in (("risk", risk), ("confidence", confidence)):
        if not 0 < share < 1:
            raise UsageError(f"a {name} lies between 0 and 1, got {share}", item=name)
    curve = risk_coverage(probabilities, targets)
    tries = max(1, ceil(log2(len(curve.thresholds) + 1)))
    level = 1 - (1 - confidence) / tries
    best, low, high = Abstention(None, 0.0, 0.0, 0.0), 0, len(curve.thresholds)
    while low < high:
        middle = (low + high) // 2
        answered, mistakes = int(curve.answered[middle]), int(curve.mistakes[middle])
        bound = risk_bound(mistakes, answered, level)
        if bound <= risk:
            share = float(curve.coverage[middle])
            best = Abstention(float(curve.thresholds[middle]), share, mistakes / answered, bound)
            low = middle + 1
        else:
            high = middle
    return best


def risk_bound(mistakes: int, answers: int, level: float) -> float:
    """Upper end of the one-sided exact interval of a proportion (Clopper and Pearson 1934).

    Args:
        mistakes: 0..answers.
        answers: 1 or more.
        level: Confidence, between 0 and 1.

    Raises:
        UsageError: Numbers outside of their range.
    """
    if not 0 <= mistakes <= answers or answers == 0 or not 0 < level < 1:
        raise UsageError(f"{mistakes} mistakes of {answers} answers at a level of {level}")
    if mistakes == answers:
        return 1.0
    drawn = np.arange(1, answers + 1)
    ways = np.concatenate([[0.0], np.log((answers - drawn + 1) / drawn)]).cumsum()[: mistakes + 1]
    right = answers - np.arange(mistakes + 1)
    low, high = mistakes / answers, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        likelihoods = ways + np.arange(mistakes + 1) * np.log(middle) + right * np.log1p(-middle)
        low, high = (middle, high) if np.exp(likelihoods).sum() > 1 - level else (low, middle)
    return high
