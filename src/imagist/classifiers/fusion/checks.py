"""What fusions share: the check of shapes, and the likelihood that their parameters are fitted by.

Shapes: N items; C classes.
"""

from __future__ import annotations

import numpy as np

from imagist.arrays import AnyArray, Floats
from imagist.errors import UsageError


def check_shapes(image: AnyArray, text: AnyArray) -> None:
    """Makes sure that the probabilities of both classifiers are of the same items and classes.

    Raises:
        UsageError: They have different shapes.
    """
    if image.shape != text.shape:
        raise UsageError(
            f"the probabilities of both classifiers have different shapes: {list(image.shape)} and {list(text.shape)}"
        )


def log_likelihood(logits: Floats, targets: AnyArray) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the targets, in nats, and its slope by the logits, ``[N, C]``."""
    each = np.arange(len(targets))
    shifted = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    totals = powers.sum(axis=1, keepdims=True)
    slope = powers / totals
    slope[each, targets] -= 1
    return float((np.log(totals[:, 0]) - shifted[each, targets]).mean()), slope / len(targets)
