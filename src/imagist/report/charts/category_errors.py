"""Top-1 and top-5 error of each category, as a chart and as a table.

Shapes: S systems; C categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray, Bools
from imagist.errors import UsageError
from imagist.report.charts.heatmap import heatmap
from imagist.report.charts.style import drawing
from imagist.report.charts.validation import check_counts, check_flags, check_shares
from imagist.report.formatting import points
from imagist.report.tables import Table

ALL = "all"
UNREACHABLE = "†"
UNREACHABLE_NOTE = f"{UNREACHABLE} none of this system's labels is mapped to the category, so it never predicts it."
_SIDE_BY_SIDE = 7  # most systems for which the two heat maps are drawn next to each other


@dataclass(frozen=True, eq=False)
class CategoryErrors:
    """Errors of several systems by category.

    Attributes:
        systems: S names.
        labels: C names.
        top1: ``[S, C]``, share of the category's items whose most probable class is another, 0..1.
        top5: ``[S, C]``, share of them whose five most probable classes are others; None to leave it out.
        counts: ``[C]``, items of each category.
        unreachable: ``[S, C]``, whether no label of the system is mapped to the category; None if one always is.

    Raises:
        UsageError: No systems or categories, shapes that differ, or values that are not shares.
    """

    systems: tuple[str, ...]
    labels: tuple[str, ...]
    top1: AnyArray
    top5: AnyArray | None
    counts: AnyArray
    unreachable: Bools | None = None

    def __post_init__(self) -> None:
        shape = len(self.systems), len(self.labels)
        if 0 in shape:
            raise UsageError(f"errors of {shape[0]} systems on {shape[1]} categories")
        for what in ("top1", "top5"):
            if getattr(self, what) is not None:
                check_shares(what, getattr(self, what), shape, item="category errors")
        if self.unreachable is not None:
            check_flags("unreachable", self.unreachable, shape, item="category errors")
        check_counts("counts", self.counts, (shape[1],), item="category errors")

    def errors(self) -> dict[str, AnyArray]:
        """By name, ``[C + 1, S]``: a row a category and a last one over all items."""
        found = {"top-1 error": self.top1} | ({} if self.top5 is None else {"top-5 error": self.top5})
        weights = self.counts / max(1, self.counts.sum())
        return {name: np.vstack([errors.T, weights @ errors.T]) for name, errors in found.items()}

    def never(self) -> Bools:
        """``[C + 1, S]``, rows as in `errors`: whether the system never predicts the category."""
        none = np.zeros((len(self.labels) + 1, len(self.systems)), dtype=np.bool_)
        if self.unreachable is not None:
            none[:-1] = self.unreachable.T
        return none


def draw_category_errors(data: CategoryErrors, stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: a row a category, a column a system.

    Args:
        data: The errors.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: The folder cannot be written to.
    """
    tables, never, systems = data.errors(), data.never(), len(data.systems)
    rows, columns = (1, len(tables)) if systems <= _SIDE_BY_SIDE else (len(tables), 1)
    cell = 1.15 if systems <= 3 else 0.62
    with drawing(
        stem, 2.9 + columns * (0.4 + cell * max(2, systems)), rows * (2.1 + 0.3 * (len(data.labels) + 1))
    ) as figure:
        for place, (name, errors) in enumerate(tables.items(), start=1):
            axes = figure.add_subplot(rows, columns, place)
            texts = [[_cell(e, n) for e, n in zip(*row, strict=True)] for row in zip(errors, never, strict=True)]
            counted = [f"{label} ({n:,})" for label, n in _with_all(data)]
            heatmap(
                axes, errors, texts, rows=counted if place == 1 or rows > 1 else [""] * len(counted),
                columns=data.systems, void=np.zeros_like(never), size=8, room=int(13 * cell),
            )  # fmt: skip
            axes.axhline(len(data.labels) - 0.5, color="white", linewidth=4)
            axes.set_title(f"{name} (%)")
        if never.any():
            figure.supxlabel(UNREACHABLE_NOTE, fontsize=8.5, x=0.01, ha="left")


def errors_table(data: CategoryErrors, caption: str) -> Table:
    """The same as a table: a row a category, and for each system its top-1 and top-5 error."""
    tables, never = data.errors(), data.never()
    heads = ["category", "items", *(f"{system}: {name}" for system in data.systems for name in tables)]
    rows = []
    for row, (label, count) in enumerate(_with_all(data)):
        cells = [_cell(t[row, s], never[row, s]) for s in range(len(data.systems)) for t in tables.values()]
        rows.append((label, f"{count:,}", *cells))
    note = f" {UNREACHABLE_NOTE}" if never.any() else ""
    return Table(tuple(heads), tuple(rows), caption + note)


def _with_all(data: CategoryErrors) -> Sequence[tuple[str, int]]:
    return [*zip(data.labels, map(int, data.counts), strict=True), (ALL, int(data.counts.sum()))]


def _cell(error: float, never: bool) -> str:
    return f"{points(error)}{f' {UNREACHABLE}' if never else ''}"
