"""Confusion matrix: counts in the cells, the colour is the share of the true class; and the most frequent confusions.

Shapes: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray, Floats
from imagist.errors import UsageError
from imagist.report.charts.heatmap import heatmap
from imagist.report.charts.style import drawing, head
from imagist.report.charts.validation import check_counts
from imagist.report.tables import Table

_ROOMY = 10  # most classes for which cells show percentages too


@dataclass(frozen=True, eq=False)
class Confusion:
    """One system's confusion matrix.

    Attributes:
        name: Of the system.
        labels: C names.
        counts: ``[C, C]``: rows are true classes, columns predicted ones, as of `metrics.classes.confusion_matrix`.

    Raises:
        UsageError: No classes, or not such a matrix.
    """

    name: str
    labels: tuple[str, ...]
    counts: AnyArray

    def __post_init__(self) -> None:
        if not self.labels:
            raise UsageError("a confusion matrix needs a class", item=self.name)
        check_counts("a confusion matrix", self.counts, (len(self.labels),) * 2, item=self.name)

    @property
    def shares(self) -> Floats:
        """``[C, C]``, each row divided by its sum; 0 where a class has no items."""
        return np.asarray(self.counts / np.maximum(1, self.counts.sum(axis=1, keepdims=True)), dtype=np.float64)

    @property
    def errors(self) -> AnyArray:
        """``[C, C]``, the counts without the diagonal."""
        return np.asarray(self.counts * (1 - np.eye(len(self.labels), dtype=np.int64)))


def draw_confusion(data: Confusion, stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``; a class without items is hatched.

    Args:
        data: The matrix.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: The folder cannot be written to.
    """
    classes, support = len(data.labels), data.counts.sum(axis=1)
    roomy = classes <= _ROOMY
    cell = 0.62 if roomy else 0.42
    texts = [[_cell(*c, roomy) for c in zip(*row, strict=True)] for row in zip(data.counts, data.shares, strict=True)]
    width = max(4.6, 2.6 + cell * classes)
    with drawing(stem, width, max(3.4, 2.0 + cell * classes)) as figure:
        axes = figure.add_subplot()
        heatmap(
            axes, data.shares, texts, rows=[f"{name} ({n:,})" for name, n in zip(data.labels, support, strict=True)],
            columns=data.labels, void=np.repeat(support[:, None] == 0, classes, axis=1), size=8 if roomy else 7,
            room=int(14 * (width - 1.7) / classes),
        )  # fmt: skip
        axes.set_aspect("equal")
        axes.set_ylabel("true class (items)")
        axes.set_xlabel("predicted class")
        head(axes, data.name, 30 + 3 * classes)


def confusions_table(data: Sequence[Confusion], caption: str, most: int = 12) -> Table:
    """The first system's most frequent confusions, with the counts of the others; a last row over all confusions.

    Args:
        data: Matrices of one or more systems over the same images.
        caption: Of the table.
        most: Rows, besides the last.
    """
    errors = np.stack([each.errors for each in data])
    order = np.argsort(-errors[0].ravel(), kind="stable")[:most]
    pairs = [divmod(int(place), len(data[0].labels)) for place in order if errors[0].flat[place]]
    rows = [(data[0].labels[true], data[0].labels[taken], *_counts(errors[:, true, taken])) for true, taken in pairs]
    total = ("all", "another category", *_counts(errors.sum(axis=(1, 2))))
    return Table(("category", "taken for", *(each.name for each in data)), (*rows, total), caption)


def _counts(counts: AnyArray) -> list[str]:
    return [f"{count:,}" for count in counts.tolist()]


def _cell(count: int, share: float, roomy: bool) -> str:
    if not count:
        return ""
    return f"{count:,}\n{share:.0%}" if roomy else f"{count:,}"
