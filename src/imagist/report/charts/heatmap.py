"""A table of shares as a heat map: the larger the share the darker the cell, with the number in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imagist.arrays import AnyArray, Bools
from imagist.report.charts.style import INK, LINE, SOFT
from imagist.report.formatting import folded, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DARK = 0.55  # cells with a larger share have white letters
_SHADES = ("#ffffff", "#cfe1f2", "#4292c6", "#08306b")  # lightness falls evenly


def heatmap(
    axes: Axes,
    shares: AnyArray,
    texts: Sequence[Sequence[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    void: Bools,
    size: float,
    room: int,
) -> None:
    """Draws the cells, the first row on top, and the names of rows and columns.

    Args:
        axes: To draw on.
        shares: ``[R, K]``, 0..1.
        texts: ``[R, K]``, text of each cell.
        rows: R names.
        columns: K names, rotated if they do not fit.
        void: ``[R, K]``, cells without a share: hatched.
        size: Of the letters in the cells, in points.
        room: Characters that fit side by side over a cell's width.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    shades = LinearSegmentedColormap.from_list("imagist", _SHADES)
    edges = np.arange(shares.shape[1] + 1) - 0.5, np.arange(shares.shape[0] + 1) - 0.5
    axes.pcolormesh(*edges, shares, cmap=shades, vmin=0, vmax=1, edgecolors=LINE, linewidth=0.4)
    for row, column in zip(*np.nonzero(void), strict=True):
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor=LINE, hatch="////", linewidth=0.4)
        )
    for row, cells in enumerate(texts):
        for column, text in enumerate(cells):
            dark = shares[row, column] > _DARK and not void[row, column]
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else INK)
    axes.set_yticks(range(len(rows)), [shortened(name, 30) for name in rows])
    _name_columns(axes, columns, room)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(SOFT)


def _name_columns(axes: Axes, names: Sequence[str], room: int) -> None:
    fits = all(len(word) <= room for name in names for word in name.split()) and max(map(len, names)) <= 2 * room
    axes.set_xticks(range(len(names)), [folded(name, room if fits else 24) for name in names])
    axes.tick_params(axis="x", labelrotation=0 if fits else 90)
