"""Accuracy of each system on each fold, and its mean with an interval.

Shapes: F folds, or folds times trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray
from imagist.errors import UsageError
from imagist.metrics.significance import Interval
from imagist.report.charts.style import IMAGE, INK, as_percent, drawing, key, named_rows
from imagist.report.charts.validation import check_any, check_interval, check_shares
from imagist.report.formatting import with_interval

_SPREAD = 0.56  # share of a row's height over which its folds are spread, the first on top


@dataclass(frozen=True, eq=False)
class FoldAccuracies:
    """Accuracy of one system by fold.

    Attributes:
        name: Of the system.
        accuracy: ``[F]``, 0..1, in the order of the folds.
        mean: Their mean with its interval.

    Raises:
        UsageError: No folds, or values that are not shares.
    """

    name: str
    accuracy: AnyArray
    mean: Interval

    def __post_init__(self) -> None:
        if not len(self.accuracy):
            raise UsageError("stability needs a fold", item=self.name)
        check_shares("accuracy", self.accuracy, (len(self.accuracy),), item=self.name)
        check_interval("the mean", self.mean, item=self.name)


def draw_stability(data: Sequence[FoldAccuracies], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: one row per system, in the given order.

    Args:
        data: The systems.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No systems.
        OutputError: The folder cannot be written to.
    """
    check_any("trials", data)
    with drawing(stem, 8.6, 1.5 + 0.44 * len(data)) as figure:
        axes = figure.add_subplot()
        named_rows(axes, [trials.name for trials in data])
        for row, trials in enumerate(data):
            offsets = np.linspace(-0.5, 0.5, len(trials.accuracy)) * _SPREAD if len(trials.accuracy) > 1 else [0.0]
            (folds,) = axes.plot(trials.accuracy, row + np.asarray(offsets), "o", color=IMAGE, markersize=4, alpha=0.5)
            (span,) = axes.plot([trials.mean.low, trials.mean.high], [row, row], "|-", color=INK, markersize=10)
            (mean,) = axes.plot(
                trials.mean.value, row, "D", color=INK, markersize=5, markeredgecolor="white", markeredgewidth=0.6
            )
            axes.annotate(
                with_interval(trials.mean), (1.015, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5
            )
        as_percent(axes, "x")
        axes.set_xlabel("accuracy")
        level = f"{100 * data[0].mean.level:g}% interval of the mean"
        entries = [(folds, "one fold, the first on top"), (mean, "mean"), (span, level)]
        key(figure, entries, loc="outside upper right", ncols=3)
