"""Honest from end to end: a temperature for each opinion, the weight between them, a temperature for the result.

Shapes: N items; C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imagist.arrays import AnyArray, Array
from imagist.classifiers.calibration import Temperature, check_targets, fit_temperature
from imagist.classifiers.fusion.opinions import check_shapes
from imagist.classifiers.fusion.scores import FittedWeight, Objective, ScoreFusion, fit_weight
from imagist.protocols import Fusion


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Two opinions, each at its temperature, fused, at a temperature again.

    Attributes:
        image: Of the image's opinion.
        text: Of the words'.
        fusion: Joins the calibrated opinions.
        fused: Of the result.
        weight: How the fusion's weight was chosen: the curve of w, and the interval of the choice.
    """

    image: Temperature
    text: Temperature
    fusion: Fusion
    fused: Temperature
    weight: FittedWeight

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from two of the same shape, as the classifiers gave them; rows sum to 1.

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
) -> Calibrated:
    """Fits temperatures, weight, and the temperature of the fused, in this order, on the same held-out items.

    A weighted mean of two calibrated opinions is less sure than it is right (Ranjan and Gneiting 2010), so that the
    last temperature is mostly below 1. Each is fitted as if there were one more item, on which the classifier errs, so
    that a classifier which makes no mistake on few items does not come out as certain.

    Args:
        image: ``[N, C]``, what the image says, not yet calibrated.
        text: ``[N, C]``, what the words say, not yet calibrated.
        targets: Integers ``[N]``, 0..C-1.
        family: The fusion of a weight, as in `fit_weight`.
        weight: w, where it is given and not to be chosen; the curve is computed all the same.
        objective: Of the choice of the weight.
        grid: Weights tried.
        resamples: For the interval of the weight.
        seed: Of the resamples.

    Raises:
        UsageError: Shapes, targets or settings that make no sense.
    """
    t = np.asarray(targets)
    check_shapes(image, text)
    check_targets(image, t)
    one_more = 1 / (len(t) + 2)
    of_image, of_text = (fit_temperature(opinion, t, smoothing=one_more) for opinion in (image, text))
    seen, said = of_image.apply(image), of_text.apply(text)
    fitted = fit_weight(seen, said, t, family=family, grid=grid, objective=objective, resamples=resamples, seed=seed)
    fusion = family(fitted.weight if weight is None else weight)
    fused = fit_temperature(fusion.fuse(seen, said), t, smoothing=one_more)
    return Calibrated(of_image, of_text, fusion, fused, fitted)
