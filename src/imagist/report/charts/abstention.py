"""The risk-coverage curve: the share of errors when a system leaves the least confident images undecided.

Shapes: K steps of coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imagist.arrays import AnyArray
from imagist.errors import UsageError
from imagist.report.charts.style import INK, LINE, MARKS, as_percent, drawing, key, mark
from imagist.report.charts.validation import check_any, check_shares
from imagist.report.formatting import folded, points

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


@dataclass(frozen=True, eq=False)
class RiskCurve:
    """One system that may abstain (El-Yaniv and Wiener 2010).

    Attributes:
        name: Of the system.
        coverage: ``[K]``, share of the items that it answers, ascending, 0..1.
        risk: ``[K]``, share of errors among the answered items, 0..1.
        area: Mean risk over the items, 0..1, see `imagist.classifiers.abstention.RiskCoverage.area`: lower is better.
        chosen: ``(coverage, risk)`` at the threshold chosen for a target risk; None without one.

    Raises:
        UsageError: No steps, coverage that does not ascend, or values that are not shares.
    """

    name: str
    coverage: AnyArray
    risk: AnyArray
    area: float
    chosen: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.coverage),)
        check_shares("coverage", self.coverage, shape, item=self.name)
        check_shares("risk", self.risk, shape, item=self.name)
        check_shares("the area", np.asarray(self.area), (), item=self.name)
        if self.chosen is not None:
            check_shares("the chosen point", np.asarray(self.chosen), (2,), item=self.name)
        if not shape[0] or not (np.diff(self.coverage) > 0).all():
            raise UsageError("coverage must ascend", item=self.name)


def draw_abstention(data: Sequence[RiskCurve], stem: Path, *, target: float | None = None) -> None:
    """Writes ``stem.png`` and ``stem.svg``; of many systems the ones with the lowest area are emphasised.

    Args:
        data: The systems.
        stem: Path without its suffix.
        target: The target risk, 0..1, drawn as a horizontal line.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No systems.
        OutputError: The folder cannot be written to.
    """
    check_any("systems", data)
    ranked = sorted(data, key=lambda system: system.area)
    with drawing(stem, 8.8, 4.6) as figure:
        axes = figure.add_subplot()
        for system in ranked[MARKS:]:
            (faint,) = axes.plot(system.coverage, system.risk, color=LINE, linewidth=1)
        entries = []
        for number, system in enumerate(ranked[:MARKS]):
            look = mark(number)
            (line,) = axes.plot(
                system.coverage, system.risk, look.dash, color=look.colour, marker=look.shape, linewidth=1.6,
                markersize=5, markevery=(0.02 * number, 0.16),
            )  # fmt: skip
            entries.append((line, f"{folded(system.name, 34)}\nmean risk {points(system.area)}%"))
            if system.chosen is not None:
                axes.plot(*system.chosen, look.shape, markersize=11, color=look.colour, markeredgecolor=INK, zorder=5)
        if ranked[MARKS:]:
            entries.append((faint, f"{len(ranked) - MARKS} more"))
        if any(system.chosen is not None for system in ranked[:MARKS]):
            entries.append((_outlined(), "at the chosen threshold"))
        if target is not None:
            entries.append((axes.axhline(target, color=INK, linewidth=1, linestyle=(0, (1, 2))), "target risk"))
        for which in ("x", "y"):
            as_percent(axes, which)
        axes.set(
            xlim=(0, 1.02),
            ylim=(0, None),
            xlabel="coverage: share answered",
            ylabel="risk: share of errors among answers",
        )
        key(figure, entries, loc="outside right upper", labelspacing=0.9)


def _outlined() -> Line2D:
    """The legend's mark of a chosen point."""
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="o", linestyle="", markersize=11, markerfacecolor="white", markeredgecolor=INK)
