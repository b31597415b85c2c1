"""Names for the arrays that the parts exchange, the two ways between scores and probabilities, and unit vectors.

Shapes: ``...`` any leading axes; C classes, D channels, always the last axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]
Array = NDArray[np.float32]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Halves = NDArray[np.float16]
Ints = NDArray[np.int64]
Pixels = NDArray[np.uint8]

MIN_PROBABILITY = 1e-12  # a probability of 0 counts as this in a logarithm, so that no loss is infinite


def log_probabilities(probabilities: AnyArray) -> Floats:
    """Natural logarithms of probabilities, each at least `MIN_PROBABILITY`: float64 of the same shape."""
    return np.asarray(np.log(np.maximum(probabilities, MIN_PROBABILITY, dtype=np.float64)))


def softmax(logits: AnyArray) -> Floats:
    """Scores ``[..., C]`` to probabilities over the last axis: float64 ``[..., C]``, each row sums to 1.

    A score of minus infinity gives a probability of 0, as long as its row has a finite one.
    """
    scores = np.asarray(logits, np.float64)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def unit(vectors: AnyArray) -> Array:
    """Scales vectors ``[..., D]`` to length 1: float32 of the same shape; zeros stay zeros."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)
