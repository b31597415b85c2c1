"""Accuracy by the weight w of the text classifier, from the image alone (w = 0) to text alone (w = 1).

P = (1 - w) P_image + w P_text. Shapes: K values of w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imagist.arrays import AnyArray
from imagist.errors import UsageError
from imagist.metrics.significance import Interval
from imagist.report.charts.style import IMAGE, INK, JOINT, TEXT, as_percent, drawing, grid_of, head, key
from imagist.report.charts.validation import check_any, check_interval, check_shares
from imagist.report.formatting import points

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}  # background of text over lines


@dataclass(frozen=True, eq=False)
class Sweep:
    """One pair of an image and a text classifier over w.

    Attributes:
        name: Of the pair.
        weights: ``[K]``, ascending from 0 to 1.
        accuracy: ``[K]``, 0..1.
        low: ``[K]``, lower bound of its 95% interval.
        high: ``[K]``, upper bound.
        chosen: The w that was chosen on other items, and its interval.

    Raises:
        UsageError: Weights that do not ascend from 0 to 1, bounds on the wrong side, or values that are not shares.
    """

    name: str
    weights: AnyArray
    accuracy: AnyArray
    low: AnyArray
    high: AnyArray
    chosen: Interval

    def __post_init__(self) -> None:
        shape = (len(self.weights),)
        for what in ("weights", "accuracy", "low", "high"):
            check_shares(what, getattr(self, what), shape, item=self.name)
        w = self.weights
        if len(w) < 2 or w[0] != 0 or w[-1] != 1 or not (np.diff(w) > 0).all():
            raise UsageError("weights must ascend from 0 to 1", item=self.name)
        if not ((self.low <= self.accuracy) & (self.accuracy <= self.high)).all():
            raise UsageError("accuracy must lie between low and high", item=self.name)
        check_interval("the chosen w", self.chosen, item=self.name)


def draw_sweep(data: Sequence[Sweep], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: one panel per pair, all on one scale.

    Args:
        data: The pairs.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No pairs.
        OutputError: The folder cannot be written to.
    """
    check_any("sweeps", data)
    rows, columns = grid_of(len(data), most=3)
    with drawing(stem, max(5.4, 0.8 + 3.7 * columns), 0.9 + 2.9 * rows) as figure:
        bounds = min(float(s.low.min()) for s in data), max(float(s.high.max()) for s in data)
        room = 0.2 * (bounds[1] - bounds[0]) or 0.05
        first: Axes | None = None
        entries: list[tuple[Artist, str]] = []
        for place, sweep in enumerate(data, start=1):
            axes = figure.add_subplot(rows, columns, place, sharey=first)
            first = first or axes
            head(axes, sweep.name, 32)
            entries = _panel(axes, sweep)
            if place > len(data) - columns:
                axes.set_xlabel("w")
            outermost = (place - 1) % columns == 0
            axes.set_ylabel("accuracy" if outermost else "")
            axes.tick_params(axis="y", labelleft=outermost)
            axes.set_ylim(bounds[0] - room, min(1.0 + 0.6 * room, bounds[1] + room))
        key(figure, entries, loc="outside lower center", ncols=2 if columns == 1 else 4)


def _panel(axes: Axes, sweep: Sweep) -> list[tuple[Artist, str]]:
    """Draws one pair and returns the entries of the legend."""
    chosen = sweep.chosen
    axes.axvspan(chosen.low, chosen.high, color=JOINT, alpha=0.13, linewidth=0)
    line = axes.axvline(chosen.value, color=JOINT, linestyle="--", linewidth=1.4)
    axes.fill_between(sweep.weights, sweep.low, sweep.high, color=INK, alpha=0.12, linewidth=0)
    (curve,) = axes.plot(sweep.weights, sweep.accuracy, color=INK, linewidth=1.8)
    ends: list[tuple[Artist, str]] = []
    for place, shape, colour, name in ((0, "o", IMAGE, "image alone"), (-1, "s", TEXT, "text alone")):
        w, share = float(sweep.weights[place]), float(sweep.accuracy[place])
        near = sweep.accuracy[np.abs(sweep.weights - w) <= 0.3].mean()
        (end,) = axes.plot(
            w, share, shape, color=colour, markersize=8, markeredgecolor="white", clip_on=False, zorder=5
        )
        # The label is placed on the side without the curve.
        aside = 7 if place == 0 else -7, -9 if near >= share else 9
        axes.annotate(
            points(share), (w, share), aside, textcoords="offset points", ha="left" if place == 0 else "right",
            va="center", fontsize=8.5, color=colour, fontweight="bold", bbox=_BEHIND,
        )  # fmt: skip
        ends.append((end, name))
    note = f"w = {chosen.value:.2f} [{chosen.low:.2f}, {chosen.high:.2f}]"
    leftward = chosen.value > 0.5
    axes.annotate(
        note, (chosen.value, 0.03), (-6 if leftward else 6, 0), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right" if leftward else "left", fontsize=8.5, color=JOINT, bbox=_BEHIND,
    )  # fmt: skip
    axes.set_xlim(-0.03, 1.03)
    as_percent(axes, "y")
    return [*ends, (line, "w chosen on validation images, with its interval"), (curve, "fused, with a 95% band")]
