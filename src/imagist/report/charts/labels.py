"""Accuracy by the number of labelled images of each category: a line for each system.

Shapes: K numbers of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imagist.errors import UsageError
from imagist.metrics.significance import Interval
from imagist.report.charts.style import IMAGE, JOINT, TEXT, as_percent, drawing, key, mark
from imagist.report.charts.validation import check_any, check_interval
from imagist.report.formatting import folded

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_COLOURS = {"image": IMAGE, "text": TEXT, "fused": JOINT}
_APART = 0.025  # by how much the marks of systems are apart, so that their intervals can be told from each other


@dataclass(frozen=True)
class LabelCurve:
    """One system.

    Attributes:
        name: Of the system.
        kind: ``image``, ``text`` or ``fused``, which have a colour each.
        place: Number of the captioner among those of the chart, which have a mark and a line style each; 0 for images.
        accuracy: K of them with their intervals.
        labels: K numbers of labelled images of each category, as they are written under the axis.

    Raises:
        UsageError: Not as many accuracies as numbers of labels, or a value that is no share.
    """

    name: str
    kind: str
    place: int
    accuracy: tuple[Interval, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.accuracy) != len(self.labels):
            raise UsageError(
                f"{len(self.accuracy)} accuracies for {len(self.labels)} numbers of labels", item=self.name
            )
        for each in self.accuracy:
            check_interval("accuracy", each, item=self.name)


def draw_labels(data: Sequence[LabelCurve], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``.

    Args:
        data: The systems.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No systems.
        OutputError: The folder cannot be written to.
    """
    check_any("systems", data)
    with drawing(stem, 7.4, 4.4 + 0.17 * len(data)) as figure:
        axes = figure.add_subplot()
        middle = (len(data) - 1) / 2
        entries = [(_line(axes, curve, _APART * (n - middle)), folded(curve.name, 80)) for n, curve in enumerate(data)]
        axes.set_xticks(range(len(data[0].labels)), data[0].labels)
        axes.set_xlabel("labelled images of each category")
        axes.set_ylabel("accuracy")
        axes.grid(visible=False, axis="x")
        as_percent(axes, "y")
        key(figure, entries, loc="outside lower center", ncols=1)


def _line(axes: Axes, curve: LabelCurve, shift: float) -> Artist:
    """Draws one system and returns its entry of the legend."""
    look = mark(curve.place)
    values, low, high = (np.array([getattr(each, end) for each in curve.accuracy]) for end in ("value", "low", "high"))
    drawn = axes.errorbar(
        np.arange(len(values)) + shift, values, np.stack([values - low, high - values]).clip(0), fmt=look.shape,
        linestyle=look.dash, color=_COLOURS[curve.kind], markersize=6, markeredgecolor="white", linewidth=1.8,
        elinewidth=1, capsize=2,
    )  # fmt: skip
    line: Artist = drawn.lines[0]
    return line
