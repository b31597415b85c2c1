"""Calibration and fusion together: a temperature for each classifier, the weight, and a temperature for the fused.

Shapes: N items; C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Array
from imagist.classifiers.calibration import Temperature, check_targets, fit_temperature, one_more
from imagist.classifiers.fusion.checks import check_shapes
from imagist.classifiers.fusion.scores import FittedWeight, Objective, ScoreFusion, fit_weight
from imagist.protocols import Fusion


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Fuses calibrated probabilities of both classifiers and calibrates the result.

    Attributes:
        image: Temperature of the image classifier.
        text: Temperature of the text classifier.
        fusion: Fuses the calibrated probabilities.
        fused: Temperature of the fused.
        weight: The choice of the weight: its curve and its interval.
    """

    image: Temperature
    text: Temperature
    fusion: Fusion
    fused: Temperature
    weight: FittedWeight

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from the classifiers' own probabilities, of the same shape; rows sum to 1.

        Raises:
            UsageError: Different shapes, or rows that are no distributions.
        """
        return self.fused.apply(self.fusion.fuse(self.image.apply(image), self.text.apply(text)))


def calibrate(
    image: Array,
    text: Array,
    targets: AnyArray,
    *,
    family: Callable[[float], Fusion] = ScoreFusion,
    weight: float | None = None,
    objective: Objective = "nll",
    grid: int = 101,
    resamples: int = 1000,
    seed: int = 0,
    sample_weights: AnyArray | None = None,
) -> Calibrated:
    """Fits temperatures, weight, and the temperature of the fused, in this order, on the same held-out items.

    A weighted mean of calibrated probabilities is underconfident (Ranjan and Gneiting 2010), so the last temperature is
    mostly below 1. Each temperature is fitted as if there were one more item, misclassified: a classifier without an
    error on few items then does not become certain.

    Args:
        image: ``[N, C]``, probabilities of the image classifier, not calibrated.
        text: ``[N, C]``, probabilities of the text classifier, not calibrated.
        targets: Integers ``[N]``, 0..C-1.
        family: The fusion of a weight, as in `fit_weight`.
        weight: w, if it is given instead of chosen; the curve is computed as well.
        objective: By which the weight is chosen.
        grid: Weights tried.
        resamples: For the interval of the weight.
        seed: Of the resamples.
        sample_weights: How much each item counts, ``[N]``, > 0; None means all alike.

    Raises:
        UsageError: Shapes, targets or settings that make no sense.
    """
    t = np.asarray(targets)
    check_shapes(image, text)
    check_targets(image, t)
    how: dict[str, Any] = {"smoothing": one_more(len(t), sample_weights), "sample_weights": sample_weights}
    of_image, of_text = (fit_temperature(scores, t, **how) for scores in (image, text))
    image, text = of_image.apply(image), of_text.apply(text)
    fitted = fit_weight(
        image, text, t, family=family, grid=grid, objective=objective, resamples=resamples, seed=seed,
        sample_weights=sample_weights,
    )  # fmt: skip
    fusion = family(fitted.weight if weight is None else weight)
    fused = fit_temperature(fusion.fuse(image, text), t, **how)
    return Calibrated(of_image, of_text, fusion, fused, fitted)
