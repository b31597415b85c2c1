"""Temperatures, the fusion and its weight, from held-out scores of both classifiers.

Shapes: N examples; C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imagist.arrays import Array, Ints
from imagist.classifiers.calibration import Temperature, TemperatureCalibration, fit_temperature, one_more
from imagist.classifiers.fusion import LogitFusion, ScoreFusion, StackedFusion, calibrate, fit_logits, fit_stacking
from imagist.classifiers.taxonomy import Taxonomy
from imagist.datasets.folds import Fold
from imagist.errors import UsageError
from imagist.records import LabelSet
from imagist.training.fit.settings import FusionKind

WEIGHTS = 11  # places in 0..1 at which a temperature is kept, for those who choose the weight themselves
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Fused:
    """A fitted fusion with its calibration.

    Attributes:
        fusion: Of calibrated probabilities.
        calibration: Of each classifier's and of the fused.
    """

    fusion: ScoreFusion | LogitFusion | StackedFusion
    calibration: TemperatureCalibration

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from both classifiers' own probabilities."""
        fused = self.fusion.fuse(self.calibration.image(image), self.calibration.text(text))
        return self.calibration.fused(fused)


def fit_fusion(
    kind: FusionKind,
    image: Array,
    text: Array,
    targets: Ints,
    labels: LabelSet,
    *,
    weight: float | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    sample_weights: Array | None = None,
) -> Fused:
    """Fits the fusion on held-out scores.

    Args:
        kind: ``score``, ``logit`` or ``stacking``.
        image: ``[N, C]``, the image classifier's probabilities.
        text: ``[N, C]``, the text classifier's.
        targets: ``[N]``.
        labels: The C names.
        weight: Of the text classifier, where it is not to be chosen.
        seed: Of the resamples.
        resamples: For the interval of the weight.
        sample_weights: How much each example counts, ``[N]``; None means all alike. ``logit`` and ``stacking`` fit
            their fusion without them.
    """
    fitted = calibrate(
        image, text, targets, weight=weight, seed=seed, resamples=resamples, sample_weights=sample_weights
    )
    seen, read = fitted.image.apply(image), fitted.text.apply(text)
    if kind == "score" or weight is not None:
        chosen = fitted.weight.weight if weight is None else weight
        how: dict[str, Any] = {
            "smoothing": one_more(len(targets), sample_weights),
            "sample_weights": sample_weights,
        }
        places = [ScoreFusion(float(each)).fuse(seen, read) for each in np.linspace(0, 1, WEIGHTS)]
        grid = tuple(fit_temperature(fused, targets, **how).value for fused in places)
        at_chosen = Temperature(float(np.interp(chosen, np.linspace(0, 1, WEIGHTS), grid)))
        calibration = TemperatureCalibration(fitted.image, fitted.text, at_chosen, grid)
        interval = fitted.weight.interval if weight is None else None
        return Fused(ScoreFusion(chosen, interval), calibration)
    calibration = TemperatureCalibration(fitted.image, fitted.text)
    if kind == "logit":
        return Fused(fit_logits(seen, read, targets), calibration)
    stack = fit_stacking(seen, read, targets, seed=seed, folds=min(5, len(targets)))
    return Fused(StackedFusion(stack.matrix, stack.bias, labels), calibration)


def cross_fused(
    kind: FusionKind,
    image: Array,
    text: Array,
    targets: Ints,
    labels: LabelSet,
    folds: Sequence[Fold],
    *,
    weight: float | None = None,
    seed: int = 0,
    sample_weights: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Calibrated and fused probabilities of each row, by a fusion that was fitted without the row's fold.

    Returns:
        The image classifier's, the text classifier's and the fused, float32 ``[N, C]`` each.
    """
    found = tuple(np.zeros_like(image) for _ in range(3))
    for fold in folds:
        train, test = fold.train, fold.test
        rows = image[train], text[train], targets[train]
        weights = None if sample_weights is None else sample_weights[train]
        fitted = fit_fusion(kind, *rows, labels, weight=weight, seed=seed, resamples=1, sample_weights=weights)
        found[0][test] = fitted.calibration.image(image[test])
        found[1][test] = fitted.calibration.text(text[test])
        found[2][test] = fitted.fuse(image[test], text[test])
    return found[0], found[1], found[2]


def with_taxonomies(
    fused: Fused,
    taxonomies: Mapping[str, Taxonomy],
    image: Array,
    text: Array,
    targets: Ints,
    labels: LabelSet,
    *,
    weight: float | None = None,
    seed: int = 0,
    sample_weights: Array | None = None,
) -> Fused:
    """Adds a weight and temperatures for each of several taxonomies, fitted to the examples of their categories.

    Args:
        fused: Of the C labels.
        taxonomies: By name, over the labels.
        image: ``[N, C]``, the image classifier's held-out probabilities.
        text: ``[N, C]``, the text classifier's.
        targets: ``[N]``.
        labels: The C names.
        weight: Of the text classifier, where it is not to be chosen.
        seed: Of the resamples.
        sample_weights: How much each example counts, ``[N]``; None means all alike.

    Raises:
        UsageError: No example is of a taxonomy's categories.
    """
    fusions: dict[str, ScoreFusion] = {}
    calibrations: dict[str, TemperatureCalibration] = {}
    for name, taxonomy in taxonomies.items():
        categories = [taxonomy.target(labels.names[target]) for target in targets]
        rows = np.flatnonzero([category is not None for category in categories])
        if not len(rows):
            raise UsageError("no image has a label of these categories", item=f"taxonomy {name}")
        goal = np.array([taxonomy.labels.index(category) for category in categories if category is not None], np.int64)
        other = fit_fusion(
            "score", taxonomy.project(image[rows], labels), taxonomy.project(text[rows], labels), goal, taxonomy.labels,
            weight=weight, seed=seed, sample_weights=None if sample_weights is None else sample_weights[rows],
        )  # fmt: skip
        assert isinstance(other.fusion, ScoreFusion)
        fusions[name], calibrations[name] = other.fusion, other.calibration
    if not isinstance(fused.fusion, ScoreFusion):
        return fused
    return Fused(replace(fused.fusion, others=fusions), replace(fused.calibration, others=calibrations))
