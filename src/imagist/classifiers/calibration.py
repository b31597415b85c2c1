"""Temperature scaling: makes a classifier's probabilities as high as it is often right, and keeps their order.

Shapes: N items; C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp, isfinite, log
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Array, log_probabilities, softmax
from imagist.bundle import open_part, write_part
from imagist.errors import UsageError
from imagist.protocols import PartOptions

KIND = "temperature"

_HALVINGS = 50  # of the range of log temperature: to the last bits of a double


@dataclass(frozen=True)
class Temperature:
    """Sharpens (below 1) or flattens (above 1) probabilities (Guo et al. 2017).

    Attributes:
        value: T, > 0; 1 changes nothing.

    Raises:
        UsageError: Not a finite number above 0.
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        if not (isfinite(self.value) and self.value > 0):
            raise UsageError(f"a temperature is a finite number above 0, got {self.value}", remedy="1 changes nothing")

    def apply(self, probabilities: AnyArray) -> Array:
        """p^(1/T), normalised: float32 ``[N, C]``, rows sum to 1; what was 0 stays 0, and the order stays.

        Raises:
            UsageError: A row that is not a distribution: negative, not finite, or all 0.
        """
        p = np.asarray(probabilities)
        if not ((p >= 0) & np.isfinite(p)).all() or not p.any(axis=-1).all():
            raise UsageError("each row of probabilities must be finite, >= 0, and not all 0")
        if self.value == 1:
            return p.astype(np.float32)
        with np.errstate(divide="ignore"):
            scaled = np.log(p, dtype=np.float64) / self.value
        return softmax(scaled).astype(np.float32)


@dataclass(frozen=True)
class TemperatureCalibration:
    """One temperature for each classifier and one for the fused; implements `imagist.protocols.Calibration`.

    Attributes:
        of_image: For the image classifier's probabilities.
        of_text: For the text classifier's.
        of_fused: For the fused.
        by_weight: For the fused at fusion weights spread evenly over 0..1; empty where only the fitted weight is known.
        others: The temperatures for further taxonomies that a model serves, by the names of these.
    """

    of_image: Temperature = Temperature()
    of_text: Temperature = Temperature()
    of_fused: Temperature = Temperature()
    by_weight: tuple[float, ...] = ()
    others: Mapping[str, TemperatureCalibration] = field(default_factory=dict, hash=False)
    concurrent = True

    @property
    def id(self) -> str:
        """The three temperatures."""
        return f"{KIND}({self.of_image.value:.6g},{self.of_text.value:.6g},{self.of_fused.value:.6g})"

    def image(self, probabilities: Array) -> Array:
        """float32 ``[N, C]`` from the image classifier's."""
        return self.of_image.apply(probabilities)

    def text(self, probabilities: Array) -> Array:
        """float32 ``[N, C]`` from the text classifier's."""
        return self.of_text.apply(probabilities)

    def fused(self, probabilities: Array) -> Array:
        """float32 ``[N, C]`` from the fused."""
        return self.of_fused.apply(probabilities)

    def save(self, folder: Path) -> None:
        """Writes the card."""
        others = {name: other._table() for name, other in self.others.items()}
        write_part(folder, KIND, {"default": self._table()} | ({"taxonomies": others} if others else {}))

    def _table(self) -> dict[str, object]:
        fused = list(self.by_weight) or [self.of_fused.value]
        return {"image": self.of_image.value, "text": self.of_text.value, "fused": fused}


def load(model: str, options: PartOptions) -> TemperatureCalibration:
    """Loads saved temperatures, from their folder or a model.

    The card has a table ``[default]`` and may have one for a taxonomy, ``[taxonomies.NAME]``. ``fused`` lists the
    temperatures at fusion weights that are spread evenly over 0..1; between two of them it is interpolated.

    Raises:
        BundleError: The card cannot be understood.
    """
    folder = open_part(model, "calibration")
    tables, weight = folder.card.get("taxonomies", {}), options.weight or 0.0
    if options.taxonomy in tables:
        return _from_table(tables[options.taxonomy], weight)
    others = {name: _from_table(table, weight) for name, table in tables.items()}
    return replace(_from_table(folder.card["default"], weight), others=others)


def _from_table(table: Mapping[str, Any], weight: float) -> TemperatureCalibration:
    """The temperatures of a table on the card, at a fusion weight."""
    weights = np.linspace(0, 1, len(table["fused"]))
    fused = float(np.interp(weight, weights, table["fused"]))
    image, text = Temperature(float(table["image"])), Temperature(float(table["text"]))
    return TemperatureCalibration(image, text, Temperature(fused), tuple(map(float, table["fused"])))


def fit_temperature(
    probabilities: AnyArray,
    targets: AnyArray,
    *,
    bounds: tuple[float, float] = (0.05, 20.0),
    smoothing: float = 0.0,
    sample_weights: AnyArray | None = None,
) -> Temperature:
    """The temperature of least negative log-likelihood on held-out items.

    The loss is convex in 1/T, so that its slope changes sign once; halving the range finds where. A set on which the
    classifier makes no mistake has no such place and gives the lower bound: such a set is too small to calibrate on.

    Args:
        probabilities: ``[N, C]``, rows sum to 1.
        targets: Integers ``[N]``, 0..C-1.
        bounds: Least and greatest temperature, 0 < least < greatest.
        smoothing: Share of each target that is spread over the other classes, 0..1 (1 left out): 1 / (N + 2), after
            Platt 1999, keeps a set without mistakes from giving the lower bound.
        sample_weights: How much each item counts, ``[N]``, > 0; None means all alike.

    Raises:
        UsageError: Shapes, targets, bounds or smoothing that make no sense.
    """
    p, t = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    check_targets(p, t)
    if not 0 < bounds[0] < bounds[1]:
        raise UsageError(f"the bounds must be 0 < least < greatest, got {bounds}")
    if not 0 <= smoothing < 1:
        raise UsageError(f"smoothing is a share of 0 to below 1, got {smoothing}")
    logs = log_probabilities(p)
    of_target = np.average(logs[np.arange(len(t)), t], weights=sample_weights)
    if smoothing and p.shape[1] > 1:
        of_others = (np.average(logs.sum(axis=1), weights=sample_weights) - of_target) / (p.shape[1] - 1)
        of_target = (1 - smoothing) * of_target + smoothing * of_others

    def too_hot(temperature: float) -> bool:
        scaled = logs / temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        expected = np.average((powers * logs).sum(axis=1) / powers.sum(axis=1), weights=sample_weights)
        return bool(expected < of_target)

    low, high = log(bounds[0]), log(bounds[1])
    if too_hot(bounds[0]) or not too_hot(bounds[1]):
        return Temperature(bounds[0] if too_hot(bounds[0]) else bounds[1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if too_hot(exp(middle)) else (middle, high)
    return Temperature(exp((low + high) / 2))


def one_more(items: int, sample_weights: AnyArray | None = None) -> float:
    """The smoothing of `fit_temperature` as if there were one more item, which is misclassified.

    Args:
        items: N.
        sample_weights: ``[N]``, > 0; N then is the number of items of equal weight that would say as much (Kish 1965).
    """
    number = float(items) if sample_weights is None else float(sample_weights.sum() ** 2 / (sample_weights**2).sum())
    return 1 / (number + 2)


def check_targets(scores: AnyArray, targets: AnyArray) -> None:
    """Makes sure that there is one class, 0..C-1, for each row of scores ``[N, C]``.

    Raises:
        UsageError: There is not, or there are no rows.
    """
    if scores.ndim != 2 or targets.shape != scores.shape[:1] or 0 in scores.shape:
        raise UsageError(f"needs scores [N, C] and targets [N], got {list(scores.shape)} and {list(targets.shape)}")
    if targets.dtype.kind not in "iu" or not 0 <= targets.min() <= targets.max() < scores.shape[1]:
        raise UsageError(f"targets must be integers 0..{scores.shape[1] - 1}")
