"""Reliability diagram: accuracy by confidence, before and after calibration.

Shapes: B bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.errors import UsageError
from imagist.metrics.classes import Reliability
from imagist.metrics.significance import wilson_interval
from imagist.report.charts.style import IMAGE, SOFT, TEXT, as_percent, drawing, grid_of, head, key
from imagist.report.charts.validation import check_any, check_counts, check_shares
from imagist.report.formatting import points

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Calibration:
    """One system's reliability.

    Attributes:
        name: Of the system.
        before: Uncalibrated, from `metrics.classes.reliability`.
        after: Calibrated, over the same items; None without calibration.

    Raises:
        UsageError: No items, or bins that are not.
    """

    name: str
    before: Reliability
    after: Reliability | None = None

    def __post_init__(self) -> None:
        for curve in self.curves.values():
            shape = (len(curve.count),)
            check_shares("confidence", curve.confidence, shape, item=self.name)
            check_shares("accuracy", curve.accuracy, shape, item=self.name)
            check_counts("bins", curve.count, shape, item=self.name)
            if not curve.count.sum():
                raise UsageError("reliability needs items", item=self.name)

    @property
    def curves(self) -> dict[str, Reliability]:
        """The curves by name, in the order of drawing."""
        return {"uncalibrated": self.before} | ({} if self.after is None else {"calibrated": self.after})


def draw_reliability(data: Sequence[Calibration], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: one panel per system, with the number of items in each bin below.

    Bars are 95% Wilson intervals of a bin's accuracy; a calibrated system lies on the diagonal.

    Args:
        data: The systems.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No systems.
        OutputError: The folder cannot be written to.
    """
    check_any("systems", data)
    rows, columns = grid_of(len(data))
    with drawing(stem, max(4.4, 0.6 + 3.0 * columns), 0.6 + 4.2 * rows) as figure:
        entries: dict[str, Artist] = {}
        grid = figure.add_gridspec(2 * rows, columns, height_ratios=[3, 1] * rows)
        for place, calibration in enumerate(data):
            row, column = divmod(place, columns)
            upper = figure.add_subplot(grid[2 * row, column])
            lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
            upper.tick_params(axis="x", labelbottom=False)
            head(upper, calibration.name, 26)
            entries |= _diagram(upper, calibration)
            _counts(lower, calibration)
        key(figure, [(mark, name) for name, mark in entries.items()], loc="outside upper right", ncols=len(entries))


_LOOKS = ((TEXT, "s", "--", "white"), (IMAGE, "o", "-", IMAGE))  # colour, mark, line, filling


def _diagram(axes: Axes, calibration: Calibration) -> dict[str, Artist]:
    """Draws the curves and returns them by name."""
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=":")
    entries: dict[str, Artist] = {}
    errors = []
    for (name, curve), (colour, shape, dash, filling) in zip(calibration.curves.items(), _LOOKS, strict=False):
        filled = curve.count > 0
        x, y = curve.confidence[filled], curve.accuracy[filled]
        bounds = [wilson_interval(round(n * a), int(n)) for n, a in zip(curve.count[filled], y, strict=True)]
        axes.vlines(x, [b.low for b in bounds], [b.high for b in bounds], color=colour, linewidth=0.8, alpha=0.6)
        (entries[name],) = axes.plot(
            x, y, dash, marker=shape, color=colour, linewidth=1.5, markersize=5, markerfacecolor=filling
        )
        errors.append(f"ECE {name} {points(curve.error)}%")
    axes.text(
        0.98, 0.03, "\n".join(errors), transform=axes.transAxes, ha="right", fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
    )  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy")
    as_percent(axes, "y")
    return entries


def _counts(axes: Axes, calibration: Calibration) -> None:
    """Draws the number of items of each bin at its mean confidence; empty bins have no bar."""
    curves = calibration.curves.values()
    width = 0.9 / max(len(curve.count) for curve in curves)
    for number, (curve, (colour, _, dash, _)) in enumerate(zip(curves, _LOOKS, strict=False)):
        filled = curve.count > 0
        filling = (IMAGE, 0.35) if number else "none"
        axes.bar(
            curve.confidence[filled], curve.count[filled], width, facecolor=filling, edgecolor=colour, linestyle=dash,
            linewidth=1, zorder=3 - number,
        )  # fmt: skip
    axes.set(xlabel="confidence", ylabel="items")
    axes.locator_params(axis="y", nbins=3, integer=True)
    as_percent(axes, "x")
