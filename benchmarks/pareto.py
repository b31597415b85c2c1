"""Quality against speed: which of some points are not beaten in both, and a plot that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FRONT, BEATEN = "#0969da", "#8c959f"
PLACES = [(dx, dy) for far in (9, 16, 26, 40) for dx in (far, -far) for dy in (far * 0.6, -far * 0.6, 0.0)]


@dataclass(frozen=True)
class Point:
    """One captioner.

    Attributes:
        name: What to call it.
        rate: Images a second.
        figure: Its quality.
        low: Lower bound of that.
        high: Upper bound.
    """

    name: str
    rate: float
    figure: float
    low: float
    high: float


def front(points: Sequence[Point]) -> list[Point]:
    """Those than which no other is as fast and as good and better in one of the two; the slowest and best first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.figure, -p.rate)):
        last = kept[-1] if kept else None
        if last is None or point.rate > last.rate or (point.rate, point.figure) == (last.rate, last.figure):
            kept.append(point)
    return kept


def draw(points: Sequence[Point], paths: Sequence[Path], *, of: str) -> None:
    """Writes the plot once for each path, in the format that its suffix names; the same points give the same bytes.

    Args:
        points: At least one.
        paths: Such as ``captioners.png`` and ``captioners.svg``.
        of: What the figures were measured on.
    """
    with mpl.rc_context({"svg.hashsalt": "imagist"}):
        figure = Figure(figsize=(8, 5.2), layout="constrained")
        axes = figure.add_subplot()
        best = front(points)
        if len(best) > 1:
            line = {"color": FRONT, "linewidth": 1.2, "alpha": 0.6, "zorder": 1}
            axes.plot([p.rate for p in best], [p.figure for p in best], drawstyle="steps-pre", **line)
        for point in points:
            colour = FRONT if point in best else BEATEN
            spread = [[point.figure - point.low], [point.high - point.figure]]
            axes.errorbar(
                point.rate, point.figure, yerr=spread, fmt="o", color=colour, markersize=6, elinewidth=0.9, capsize=2.5
            )
        axes.set_xlabel("images/s, from decoded images")
        axes.set_ylabel(f"CIDEr x 100 on {of}, 95% intervals")
        axes.grid(alpha=0.25)
        axes.margins(0.18, 0.12)
        axes.spines[["top", "right"]].set_visible(False)
        label(axes, points, best)
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=130, metadata=metadata)


def label(axes: Axes, points: Sequence[Point], best: Sequence[Point]) -> None:
    """Names every point, each beside it where the name covers nothing else if there is such a place."""
    figure: Any = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    frame = axes.get_window_extent(renderer)
    taken = []
    for point in points:
        (x, low), (_, high) = axes.transData.transform([(point.rate, point.low), (point.rate, point.high)])
        taken.append((x - 5, low - 3, x + 5, high + 3))
    for slower, faster in pairwise(best):  # the two lines between them
        (x0, y1), (x1, y0) = axes.transData.transform([(p.rate, p.figure) for p in (slower, faster)])
        taken += [(x0 - 1, y0, x0 + 1, y1), (x0, y0 - 1, x1, y0 + 1)]
    for point in points:
        text = axes.annotate(point.name, (point.rate, point.figure), (0, 0), textcoords="offset points", fontsize=9)
        text.set_color("#1b1f24" if point in best else "#57606a")
        text.set_fontweight("bold" if point in best else "normal")
        for dx, dy in PLACES:
            text.set(ha="left" if dx > 0 else "right", va="center", position=(dx, dy))
            box = text.get_window_extent(renderer)
            own = (box.x0, box.y0, box.x1, box.y1)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(overlap(own, other) for other in taken):
                break
        taken.append(own)


Box = tuple[float, float, float, float]


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes (left, bottom, right, top) have a point in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
