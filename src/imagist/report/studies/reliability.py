"""Whether probabilities keep their word: confidence against accuracy, before and after calibration.

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
from imagist.report.studies.checking import check_any, check_counts, check_shares
from imagist.report.studies.style import IMAGE, SOFT, WORDS, as_percent, drawing, grid_of, head, key
from imagist.report.studies.wording import points

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Calibration:
    """One system's reliability.

    Attributes:
        name: Of the system.
        before: As it came, of `metrics.classes.reliability`.
        after: With its temperature, over the same items; None where nothing was calibrated.

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
        """By name, as they are drawn."""
        return {"as it came": self.before} | ({} if self.after is None else {"calibrated": self.after})


def draw_reliability(data: Sequence[Calibration], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: a panel a system, and how many items each bin holds under it.

    Bars are 95% Wilson intervals of a bin's accuracy; on the diagonal a system promises what it keeps.

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


_LOOKS = ((WORDS, "s", "--", "white"), (IMAGE, "o", "-", IMAGE))  # colour, mark, line, filling


def _diagram(axes: Axes, calibration: Calibration) -> dict[str, Artist]:
    """Draws the curves; what the key is to say."""
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=":")
    entries: dict[str, Artist] = {}
    told = []
    for (name, curve), (colour, shape, dash, filling) in zip(calibration.curves.items(), _LOOKS, strict=False):
        held = curve.count > 0
        x, y = curve.confidence[held], curve.accuracy[held]
        bounds = [wilson_interval(round(n * a), int(n)) for n, a in zip(curve.count[held], y, strict=True)]
        axes.vlines(x, [b.low for b in bounds], [b.high for b in bounds], color=colour, linewidth=0.8, alpha=0.6)
        (entries[name],) = axes.plot(
            x, y, dash, marker=shape, color=colour, linewidth=1.5, markersize=5, markerfacecolor=filling
        )
        told.append(f"ECE {name} {points(curve.error)}%")
    axes.text(
        0.98, 0.03, "\n".join(told), transform=axes.transAxes, ha="right", fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
    )  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy")
    as_percent(axes, "y")
    return entries


def _counts(axes: Axes, calibration: Calibration) -> None:
    """The items of each bin, where its mean confidence lies; empty bins have no bar."""
    curves = calibration.curves.values()
    width = 0.9 / max(len(curve.count) for curve in curves)
    for number, (curve, (colour, _, dash, _)) in enumerate(zip(curves, _LOOKS, strict=False)):
        held = curve.count > 0
        filling = (IMAGE, 0.35) if number else "none"
        axes.bar(
            curve.confidence[held], curve.count[held], width, facecolor=filling, edgecolor=colour, linestyle=dash,
            linewidth=1, zorder=3 - number,
        )  # fmt: skip
    axes.set(xlabel="confidence", ylabel="items")
    axes.locator_params(axis="y", nbins=3, integer=True)
    as_percent(axes, "x")
