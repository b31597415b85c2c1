"""Score level: y = (1 - w) P_image + w P_text; and the choice of w for this and other fusions of one weight.

Shapes: N items; C classes; G weights of a grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from imagist.arrays import AnyArray, Array, Floats, Ints, log_probabilities
from imagist.bundle import open_part, write_part
from imagist.classifiers.calibration import check_targets
from imagist.classifiers.fusion.checks import check_shapes
from imagist.errors import UsageError
from imagist.protocols import PartOptions

KIND = "score"
Objective = Literal["nll", "accuracy"]

_DRAWN_AT_ONCE = 1 << 22  # items; bounds the memory of the bootstrap


class Fuses(Protocol):
    """Anything that fuses two arrays of probabilities."""

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from two of the same shape; rows sum to 1."""
        ...


@dataclass(frozen=True)
class ScoreFusion:
    """Weighted mean of the probabilities of both classifiers; follows `imagist.protocols.Fusion`.

    Attributes:
        weight: w, the weight of the text classifier, 0..1. At 0 the result is the image classifier's probabilities bit
            for bit, at 1 the text classifier's.
        interval: The 95% interval of the weight, where it was fitted.
        others: The fusions of further taxonomies that a model serves, by the names of these.

    Raises:
        UsageError: A weight outside of 0..1.
    """

    weight: float
    interval: tuple[float, float] | None = None
    others: Mapping[str, ScoreFusion] = field(default_factory=dict, hash=False)
    labels = None
    concurrent = True

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise UsageError(f"a fusion weight lies in 0..1, got {self.weight}", remedy="0 image only, 1 words only")

    @property
    def id(self) -> str:
        """The weight."""
        return f"{KIND}({self.weight:.6g})"

    def save(self, folder: Path) -> None:
        """Writes the card."""
        others = {name: other._table() for name, other in self.others.items()}
        write_part(folder, KIND, {"default": self._table()} | ({"taxonomies": others} if others else {}))

    def _table(self) -> dict[str, object]:
        return {"weight": self.weight} | ({"interval": list(self.interval)} if self.interval else {})

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from two of the same shape; where their rows sum to 1, so do its rows.

        Raises:
            UsageError: The two have different shapes.
        """
        check_shapes(image, text)
        if self.weight in (0, 1):
            return np.array(text if self.weight else image, dtype=np.float32)
        return ((1 - self.weight) * image.astype(np.float64) + self.weight * text).astype(np.float32)


def load(model: str, options: PartOptions) -> ScoreFusion:
    """Loads a saved fusion, from its folder or a model; ``options.weight`` goes before the fitted weight.

    The card has a table ``[default]`` and may have one for a taxonomy, ``[taxonomies.NAME]``.

    Raises:
        BundleError: The card cannot be understood.
    """
    folder = open_part(model, "fusion")
    others = {name: _from_table(table) for name, table in folder.card.get("taxonomies", {}).items()}
    if options.weight is not None:
        return ScoreFusion(options.weight)
    if options.taxonomy in others:
        return others[options.taxonomy]
    return replace(_from_table(folder.card["default"]), others=others)


def _from_table(table: Mapping[str, Any]) -> ScoreFusion:
    interval = table.get("interval")
    return ScoreFusion(float(table["weight"]), (interval[0], interval[1]) if interval else None)


@dataclass(frozen=True, eq=False)
class FittedWeight:
    """A fusion weight chosen on held-out items.

    Attributes:
        weight: The chosen w.
        interval: Between which w's the choice falls in 95% of bootstrap resamples of the items.
        weights: float64 ``[G]``, the grid, from 0 to 1.
        losses: float64 ``[G]``, mean negative log-likelihood at each, in nats.
        accuracies: float64 ``[G]``, 0..1.
    """

    weight: float
    interval: tuple[float, float]
    weights: Floats
    losses: Floats
    accuracies: Floats


def fit_weight(
    image: Array,
    text: Array,
    targets: AnyArray,
    *,
    family: Callable[[float], Fuses] = ScoreFusion,
    grid: int = 101,
    objective: Objective = "nll",
    resamples: int = 1000,
    seed: int = 0,
    sample_weights: AnyArray | None = None,
) -> FittedWeight:
    """Chooses w on held-out items, on which neither classifier was trained and nothing will be measured.

    Negative log-likelihood is the default: it is convex in w, so it has one minimum, and it changes smoothly with every
    item, while the maximum of accuracy, a step function, is partly luck. It assumes calibrated probabilities. The
    objective accuracy chooses, among the weights with most items right, the one with the lowest negative
    log-likelihood; on the items it was chosen on it is never below either classifier alone.

    Args:
        image: float32 ``[N, C]``, probabilities of the image classifier.
        text: float32 ``[N, C]``, probabilities of the text classifier.
        targets: Integers ``[N]``, 0..C-1.
        family: The fusion of a weight: `ScoreFusion`, `LogitFusion.weighted`, or another that is one classifier
            at each end.
        grid: G, 2 or more; the weights are G equal steps from 0 to 1.
        objective: ``nll`` or ``accuracy``.
        resamples: Bootstrap resamples of the items for the interval.
        seed: Of the resamples.
        sample_weights: How much each item counts, ``[N]``, > 0; None means all alike.

    Raises:
        UsageError: Shapes, targets or a grid that make no sense.
    """
    t = np.asarray(targets)
    check_shapes(image, text)
    check_targets(image, t)
    if grid < 2 or objective not in ("nll", "accuracy"):
        raise UsageError(
            f"needs a grid of 2 or more weights and the objective nll or accuracy, got {grid}, {objective}"
        )
    weights = np.linspace(0, 1, grid)
    losses, right = _curves([family(float(w)).fuse(image, text) for w in weights], t, sample_weights)

    def chosen(counts: Floats) -> Ints:
        """The grid's best for each row of how often every item counts, ``[R, N]``."""
        loss = counts @ losses
        if objective == "accuracy":
            hits = counts @ right
            loss = np.where(hits == hits.max(axis=1, keepdims=True), loss, np.inf)
        return np.asarray(loss.argmin(axis=1))

    drawn = np.concatenate([chosen(counts) for counts in _resampled(len(t), resamples, seed)])
    low, high = np.quantile(weights[drawn], [0.025, 0.975])
    best = int(chosen(np.ones((1, len(t))))[0])
    return FittedWeight(
        float(weights[best]), (float(low), float(high)), weights, losses.mean(axis=0), right.mean(axis=0)
    )


def _curves(fused: Sequence[Array], targets: AnyArray, sample_weights: AnyArray | None) -> tuple[Floats, Floats]:
    """The loss and whether it is right of each item at each of G weights, ``[N, G]``, times the item's own weight."""
    rows = np.arange(len(targets))
    losses = np.stack([-log_probabilities(each[rows, targets]) for each in fused], axis=1)
    right = np.stack([each.argmax(axis=1) == targets for each in fused], axis=1).astype(np.float64)
    share = np.ones((1, 1)) if sample_weights is None else (sample_weights / np.mean(sample_weights))[:, np.newaxis]
    return losses * share, right * share


def _resampled(items: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Bootstrap resamples, some rows at a time: how often each item is drawn, float64 ``[R, N]``."""
    random = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // items)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        yield random.multinomial(items, np.full(items, 1 / items), size).astype(np.float64)
