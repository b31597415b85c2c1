"""What every fusion needs of the two opinions: one shape, their logarithms, and the way back to probabilities.

Shapes: N items; C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagist.classifiers.calibration import LEAST_PROBABILITY
from imagist.errors import UsageError
from imagist.records import Array

Floats = NDArray[np.float64]


def check_shapes(image: NDArray[Any], text: NDArray[Any]) -> None:
    """Makes sure that the two opinions are over the same items and classes.

    Raises:
        UsageError: They have different shapes.
    """
    if image.shape != text.shape:
        raise UsageError(f"the two opinions have different shapes: {list(image.shape)} and {list(text.shape)}")


def log_probabilities(probabilities: NDArray[Any]) -> Floats:
    """Natural logarithms, float64 ``[N, C]``; a probability of 0 counts as `LEAST_PROBABILITY`, so that no opinion can
    forbid a class for good.
    """  # noqa: D205
    return np.asarray(np.log(np.maximum(probabilities, LEAST_PROBABILITY, dtype=np.float64)))


def softmax(logits: NDArray[Any]) -> Array:
    """Rows to distributions: float32 ``[N, C]``."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def log_likelihood(logits: Floats, targets: NDArray[Any]) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the targets, in nats, and its slope by the logits, ``[N, C]``."""
    each = np.arange(len(targets))
    shifted = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    totals = powers.sum(axis=1, keepdims=True)
    slope = powers / totals
    slope[each, targets] -= 1
    return float((np.log(totals[:, 0]) - shifted[each, targets]).mean()), slope / len(targets)
