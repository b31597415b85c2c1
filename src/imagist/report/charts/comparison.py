"""Accuracy of all systems as bars with intervals, the best on top, and an enlarged view where they are close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.metrics.significance import Interval
from imagist.report.charts.style import INK, SOFT, Mark, as_percent, drawing, key, mark, named_rows
from imagist.report.charts.validation import check_any, check_interval
from imagist.report.formatting import with_interval

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_KINDS = "image", "text", "fused"  # in the colours that they have on the pages
_CLOSE = 0.5  # share of the longest bar: if all intervals span less, an enlarged view is added


@dataclass(frozen=True)
class SystemAccuracy:
    """Accuracy of one system.

    Attributes:
        name: Of the system.
        accuracy: 0..1, with its interval.
        kind: Systems of one kind share a colour and a hatch: ``image``, ``text``, ``fused`` or another; may be empty.

    Raises:
        UsageError: Values that are not shares.
    """

    name: str
    accuracy: Interval
    kind: str = ""

    def __post_init__(self) -> None:
        check_interval("accuracy", self.accuracy, item=self.name)


def draw_comparison(data: Sequence[SystemAccuracy], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: one bar per system, from 0 on; equal ones keep the given order.

    Args:
        data: The systems.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No systems.
        OutputError: The folder cannot be written to.
    """
    check_any("systems", data)
    ranked = sorted(data, key=lambda system: -system.accuracy.value)
    looks = _looks([system.kind for system in data])
    low, high = min(s.accuracy.low for s in ranked), max(s.accuracy.high for s in ranked)
    close = len(ranked) > 1 and high - low < _CLOSE * high
    with drawing(stem, 10.4 if close else 8.2, 1.4 + 0.36 * len(ranked)) as figure:
        bars, *closer = figure.subplots(1, 1 + close, squeeze=False, width_ratios=[3, 2] if close else [1])[0]
        entries = _bars(bars, ranked, looks)
        for axes in closer:
            _dots(axes, ranked, looks)
            axes.set_xlabel("the same, enlarged")
        for row, system in enumerate(ranked):
            (closer or [bars])[-1].annotate(
                with_interval(system.accuracy), (1.02, row), xycoords=("axes fraction", "data"), va="center",
                fontsize=8.5,
            )  # fmt: skip
        if any(looks):
            key(figure, entries, loc="outside upper right", ncols=min(5, len(entries)))


def _looks(kinds: Sequence[str]) -> dict[str, Mark]:
    """The mark of each kind, those of the pages first."""
    known = dict.fromkeys((*_KINDS, *kinds))
    return {kind: mark(number) for number, kind in enumerate(known) if kind in kinds}


def _bars(axes: Axes, ranked: Sequence[SystemAccuracy], looks: dict[str, Mark]) -> list[tuple[Artist, str]]:
    """Draws one bar per system and returns the entries of the legend."""
    named_rows(axes, [system.name for system in ranked], width=40)
    entries: dict[str, Artist] = {}
    for row, system in enumerate(ranked):
        look, interval = looks[system.kind], system.accuracy
        (bar,) = axes.barh(
            row, interval.value, 0.66, color=look.colour, edgecolor="white", hatch=look.hatch, linewidth=0
        )
        entries[system.kind] = bar
        # A white edge under the dark line keeps it visible on any bar.
        for colour, width in (("white", 3.2), (INK, 1.4)):
            axes.plot([interval.low, interval.high], [row, row], color=colour, linewidth=width, solid_capstyle="butt")
    axes.set_xlim(0, min(1.0, 1.04 * max(s.accuracy.high for s in ranked)) or 1.0)
    as_percent(axes, "x")
    axes.set_xlabel("accuracy")
    return [(entries[kind], kind or "other") for kind in looks]


def _dots(axes: Axes, ranked: Sequence[SystemAccuracy], looks: dict[str, Mark]) -> None:
    """Draws the intervals alone, enlarged."""
    named_rows(axes, [""] * len(ranked))
    axes.axvline(ranked[0].accuracy.value, color=SOFT, linewidth=0.8, linestyle=":")
    for row, system in enumerate(ranked):
        look, interval = looks[system.kind], system.accuracy
        axes.plot([interval.low, interval.high], [row, row], color=look.colour, linewidth=1.6)
        axes.plot(interval.value, row, look.shape, color=look.colour, markersize=6, markeredgecolor="white")
    as_percent(axes, "x")
