"""Fits how far a caption can be trusted by its cosine with the image; see `imagist.matching.confidence`.

Shapes: N captions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Bools, Floats
from imagist.errors import DataError, MissingExtra
from imagist.matching.confidence import Confidence

_FEWEST = 10


def fit_confidence(cosines: AnyArray, right: Bools, captioner: str) -> Confidence:
    """The slope and offset of greatest likelihood, with Platt's targets, which keep them finite.

    Args:
        cosines: Of captions with their images, ``[N]``.
        right: Whether each names what the image shows, ``[N]``.
        captioner: The start of the ids of the captioners that wrote them.

    Raises:
        DataError: Fewer than ten captions, all or none of them right, or cosines that say nothing of it.
        MissingExtra: SciPy is not installed.
    """
    x, y = np.asarray(cosines, np.float64), np.asarray(right, np.bool_)
    if x.shape != y.shape or x.ndim != 1 or len(x) < _FEWEST or not 0 < y.sum() < len(y):
        raise DataError(f"needs {_FEWEST} captions or more, some right and some wrong")
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtra(
            "fitting needs a library that is not installed", item="scipy", remedy="pip install 'imagist[fit]'"
        ) from error
    targets = np.where(y, (y.sum() + 1) / (y.sum() + 2), 1 / ((~y).sum() + 2))

    def loss(of: Floats) -> float:
        z = of[0] * x + of[1]
        return float((np.logaddexp(0, z) - targets * z).sum())

    found: Any = minimize(loss, np.zeros(2))
    slope, offset = map(float, found.x)
    if slope <= 0:
        raise DataError("captions nearer to their images are not right more often")
    return Confidence(slope, offset, captioner)
