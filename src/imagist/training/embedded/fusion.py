"""The fusion of the embedded model, one for each taxonomy; dev chooses weight and temperatures.

Shapes: N images; C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from imagist.arrays import Array
from imagist.classifiers.calibration import fit_temperature
from imagist.classifiers.fusion import ScoreFusion, fit_weight
from imagist.classifiers.taxonomy import Taxonomy
from imagist.metrics.classes import accuracy, expected_calibration_error
from imagist.records import LabelSet

log = logging.getLogger("imagist.training")

WEIGHT_GRID = 11


def fit_fusion(
    taxonomy: Taxonomy, fine: LabelSet, image: Array, text: Array, names: Sequence[str]
) -> dict[str, object]:
    """Fits the fusion of one taxonomy on dev: the weight, its interval, and a temperature for each of 11 weights.

    Args:
        taxonomy: Categories of the classes.
        fine: The C classes.
        image: Probabilities of the image classifier on dev, ``[N, C]``.
        text: Probabilities of the text classifier on dev, ``[N, C]``.
        names: The class of each image.
    """
    rows = [i for i, name in enumerate(names) if taxonomy.target(name) is not None]
    targets = np.array([taxonomy.labels.index(taxonomy.target(names[i]) or "") for i in rows])
    image, text = (taxonomy.project(scores[rows], fine) for scores in (image, text))
    fitted = fit_weight(image, text, targets)
    weights = np.linspace(0, 1, WEIGHT_GRID)
    temperatures = [
        1.0 if w in (0, 1) else fit_temperature(ScoreFusion(float(w)).fuse(image, text), targets).value for w in weights
    ]
    fused = ScoreFusion(fitted.weight).fuse(image, text)
    log.info(
        "%s  image %.4f  text %.4f  fused %.4f  w %.2f  ECE before temperature %.4f",
        taxonomy.name, accuracy(image, targets), accuracy(text, targets), accuracy(fused, targets), fitted.weight,
        expected_calibration_error(fused, targets),
    )  # fmt: skip
    return {"weight": fitted.weight, "interval": list(fitted.interval), "temperatures": temperatures}
