"""Training and validation accuracy by epoch: one panel per system, the mean of the folds drawn over the single folds.

Shapes: F folds; T epochs, which may differ from fold to fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imagist.arrays import AnyArray, Ints
from imagist.errors import UsageError
from imagist.report.charts.style import SOFT, as_percent, drawing, grid_of, head, key, mark
from imagist.report.charts.validation import check_any, check_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """Accuracy of one system by epoch.

    Attributes:
        name: Of the system.
        train: F arrays ``[T]``: accuracy on the training items after each epoch, 0..1.
        validation: The same on validation items; empty without validation items.

    Raises:
        UsageError: No folds, a fold without epochs, values that are not shares, or unequal lengths.
    """

    name: str
    train: tuple[AnyArray, ...]
    validation: tuple[AnyArray, ...] = ()

    def __post_init__(self) -> None:
        if not self.train or not all(len(fold) for fold in self.train):
            raise UsageError("learning curves need a fold, and each fold an epoch", item=self.name)
        if self.validation and len(self.validation) != len(self.train):
            raise UsageError(f"{len(self.train)} folds, {len(self.validation)} validated", item=self.name)
        for fold in self.train:
            check_shares("training accuracy", fold, (len(fold),), item=self.name)
        for fold, trained in zip(self.validation, self.train, strict=False):
            check_shares("validation accuracy", fold, (len(trained),), item=self.name)


def draw_learning_curves(data: Sequence[LearningCurves], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``.

    The mean ends with the shortest fold: after it, it would be the mean of fewer folds and jump.

    Args:
        data: The systems, one panel each.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No systems.
        OutputError: The folder cannot be written to.
    """
    check_any("curves", data)
    rows, columns = grid_of(len(data))
    with drawing(stem, 1 + 3.1 * columns, 0.5 + 2.6 * rows) as figure:
        first: Axes | None = None
        entries: dict[str, Line2D] = {}
        for place, curves in enumerate(data, start=1):
            axes = figure.add_subplot(rows, columns, place, sharex=first, sharey=first)
            first = first or axes
            head(axes, curves.name, 28)
            entries |= _panel(axes, curves)
            if place > len(data) - columns:
                axes.set_xlabel("epoch")
            outermost = (place - 1) % columns == 0
            axes.set_ylabel("accuracy" if outermost else "")
            axes.tick_params(axis="y", labelleft=outermost)
        key(figure, [(line, name) for name, line in entries.items()], loc="outside upper right", ncols=len(entries))


def _panel(axes: Axes, curves: LearningCurves) -> dict[str, Line2D]:
    """Draws one system and returns its lines by name."""
    from matplotlib.ticker import MaxNLocator

    entries: dict[str, Line2D] = {}
    # Training is less important: it is drawn first and dashed in grey.
    for number, (kind, folds) in enumerate((("training", curves.train), ("validation", curves.validation))):
        if not folds:
            continue
        look = mark(0)
        shortest = min(map(len, folds))
        colour, dash = (look.colour, "-") if number else (SOFT, "--")
        shape = "o" if number or shortest == 1 else ""
        if len(folds) > 1:
            for fold in folds:
                (entries["one fold"],) = axes.plot(_epochs(fold), fold, dash, color=colour, alpha=0.35, linewidth=0.8)
        mean = np.mean([fold[:shortest] for fold in folds], axis=0)
        (entries[kind],) = axes.plot(
            _epochs(mean), mean, dash, color=colour, linewidth=2, marker=shape, markersize=4.5,
            markevery=max(1, shortest // 7),
        )  # fmt: skip
    as_percent(axes, "y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return entries


def _epochs(values: AnyArray) -> Ints:
    return np.arange(1, len(values) + 1)
