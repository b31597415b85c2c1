"""Metrics of class probabilities: accuracy, likelihood, calibration.

Shapes: N items; C classes; B bins. Probabilities are ``[N, C]``, rows sum to 1; targets are integers ``[N]``, 0..C-1.
All functions raise UsageError for other arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagist.arrays import AnyArray, Bools, Floats, Ints, log_probabilities
from imagist.classifiers.calibration import check_targets
from imagist.errors import UsageError


def correct(probabilities: AnyArray, targets: AnyArray, *, k: int = 1) -> Bools:
    """Whether each target is among the k most probable classes, ``[N]``; ties go to the lower class number."""
    p, t = _checked(probabilities, targets)
    of_target = p[np.arange(len(t)), t][:, None]
    ahead = (p > of_target) | ((p == of_target) & (np.arange(p.shape[1]) < t[:, None]))
    return np.asarray(ahead.sum(axis=1) < k)


def accuracy(probabilities: AnyArray, targets: AnyArray, *, k: int = 1) -> float:
    """Share of items whose target is among the k most probable classes, 0..1."""
    return float(correct(probabilities, targets, k=k).mean())


def log_losses(probabilities: AnyArray, targets: AnyArray) -> Floats:
    """Negative natural log-probability of each target, ``[N]``, 0 to 27.6 (for a probability of 0)."""
    p, t = _checked(probabilities, targets)
    return -log_probabilities(p[np.arange(len(t)), t])


def negative_log_likelihood(
    probabilities: AnyArray, targets: AnyArray, sample_weights: AnyArray | None = None
) -> float:
    """Mean of `log_losses`, in nats, each item weighted where there are weights ``[N]``."""
    losses = log_losses(probabilities, targets)
    return float(losses.mean() if sample_weights is None else np.average(losses, weights=sample_weights))


def brier_score(probabilities: AnyArray, targets: AnyArray) -> float:
    """Mean squared distance from the one-hot truth, 0..2 (Brier 1950)."""
    p, t = _checked(probabilities, targets)
    return float(((p - np.eye(p.shape[1])[t]) ** 2).sum(axis=1).mean())


def confusion_matrix(predicted: AnyArray, targets: AnyArray, classes: int) -> Ints:
    """Counts, int64 ``[C, C]``: rows are targets, columns predictions.

    Args:
        predicted: Integers ``[N]``, 0..C-1.
        targets: The same.
        classes: C.
    """
    said, truth = np.asarray(predicted), np.asarray(targets)
    if said.shape != truth.shape or said.ndim != 1:
        raise UsageError(f"predictions {list(said.shape)} and targets {list(truth.shape)} must be of one length")
    for numbers in (said, truth):
        if len(numbers) and not (numbers.dtype.kind in "iu" and 0 <= numbers.min() <= numbers.max() < classes):
            raise UsageError(f"classes must be integers 0..{classes - 1}")
    return np.bincount(truth * classes + said, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True, eq=False)
class PerClass:
    """Precision, recall and F1 of each class, float64 ``[C]``, 0 where undefined; and its number of items."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Ints


def per_class(confusion: Ints) -> PerClass:
    """Precision, recall and F1 from a `confusion_matrix`."""
    hits, said, truth = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return PerClass(_ratio(hits, said), _ratio(hits, truth), _ratio(2 * hits, said + truth), truth)


@dataclass(frozen=True, eq=False)
class Reliability:
    """The reliability curve: confidence against accuracy.

    Attributes:
        confidence: float64 ``[B]``, mean top probability in each bin; 0 for an empty one.
        accuracy: float64 ``[B]``, share of correct items in each bin; 0 for an empty one.
        count: int64 ``[B]``, items in each bin.
    """

    confidence: Floats
    accuracy: Floats
    count: Ints

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of the two over the items, 0..1."""
        return float((self.count * np.abs(self.confidence - self.accuracy)).sum() / self.count.sum())


def reliability(probabilities: AnyArray, targets: AnyArray, *, bins: int = 15, adaptive: bool = False) -> Reliability:
    """The reliability curve over bins of the top probability.

    Args:
        probabilities: ``[N, C]``.
        targets: ``[N]``.
        bins: B.
        adaptive: Bins with equal numbers of items (up to ties) instead of equal width.
    """
    p, _ = _checked(probabilities, targets)
    confidence = p.max(axis=1)
    shares = np.linspace(0, 1, bins + 1)[1:-1]
    bin_of = np.searchsorted(np.quantile(confidence, shares) if adaptive else shares, confidence)
    count = np.bincount(bin_of, minlength=bins)
    right = np.bincount(bin_of, correct(probabilities, targets), bins)
    return Reliability(_ratio(np.bincount(bin_of, confidence, bins), count), _ratio(right, count), count)


def expected_calibration_error(
    probabilities: AnyArray, targets: AnyArray, *, bins: int = 15, adaptive: bool = False
) -> float:
    """Mean distance between confidence and accuracy over bins of the top probability, 0..1.

    With bins of equal width it is the ECE of Guo et al. 2017, with ``adaptive`` that of Nguyen and O'Connor 2015.
    """
    return reliability(probabilities, targets, bins=bins, adaptive=adaptive).error


def _ratio(part: AnyArray, whole: AnyArray) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.zeros(len(whole)), where=whole != 0))


def _checked(probabilities: AnyArray, targets: AnyArray) -> tuple[Floats, Ints]:
    p, t = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    check_targets(p, t)
    if not (p >= 0).all() or not np.allclose(p.sum(axis=1), 1, atol=1e-3):
        raise UsageError("each row of probabilities must be >= 0 and sum to 1")
    return p, t.astype(np.int64)
