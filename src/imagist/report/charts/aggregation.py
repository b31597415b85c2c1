"""Ways of putting an account's posts together: accuracy, error, width and coverage of intervals, against posts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imagist.profiles.aggregation import Aggregated
from imagist.report.charts.style import INK, as_percent, drawing, head, key, mark
from imagist.report.charts.validation import check_any

WIDTH, HEIGHT = 9.0, 6.4
_LEVEL = 0.95


def draw_aggregation(data: Sequence[Aggregated], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: four panels, a line a method.

    Args:
        data: All methods at all numbers of posts.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No data.
        OutputError: The folder cannot be written to.
    """
    check_any("methods", data)
    methods = [*dict.fromkeys(each.method for each in data)]
    with drawing(stem, WIDTH, HEIGHT) as figure:
        panels = figure.subplots(2, 2).ravel()
        lines = []
        for number, method in enumerate(methods):
            own, look = [each for each in data if each.method == method], mark(number)
            posts = [each.posts for each in own]
            style = {"color": look.colour, "marker": look.shape, "linestyle": look.dash, "markersize": 5}
            for axes, intervals in zip(panels, ([e.right for e in own], [e.error for e in own]), strict=False):
                values, low, high = ([getattr(i, name) for i in intervals] for name in ("value", "low", "high"))
                (line,) = axes.plot(posts, values, **style)
                axes.fill_between(posts, low, high, color=look.colour, alpha=0.12, linewidth=0)
            lines.append((line, method))
            panels[2].plot(posts, [each.width for each in own], **style)
            panels[3].plot(posts, [each.coverage for each in own], **style)
        panels[3].axhline(_LEVEL, color=INK, linewidth=0.8, linestyle="--")
        titles = ("leading category is right", "mean absolute error of shares", "width of 95% intervals", "coverage")
        ticks = sorted({each.posts for each in data})
        for axes, title in zip(panels, titles, strict=True):
            head(axes, title, 50)
            axes.set_xscale("log")
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.set_xticks([], minor=True)
            axes.set_xlabel("posts an account")
            as_percent(axes, "y")
        key(figure, lines, loc="outside lower center", ncols=2)
