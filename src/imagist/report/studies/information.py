"""The information report: what is lost when an image is put into words, and what the words bring back.

Shapes: N items; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.arrays import AnyArray, Bools
from imagist.errors import UsageError
from imagist.report.studies.checking import check_any, check_flags
from imagist.report.studies.style import IMAGE, INK, SOFT, WORDS, as_percent, drawing, key, named_rows
from imagist.report.studies.tables import Table
from imagist.report.studies.wording import folded, points

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_PARTS = (  # name, colour, hatch, colour of the letters
    ("both right", "#dcdcdf", "", INK),
    ("only the image right", IMAGE, "", "white"),
    ("only the words right", "#e7b183", "////", INK),
    ("both wrong", "#3d3d42", "", "white"),
)
_PALE = "#bdb8ac"  # the bar of a class that words lose
_ROOM = 0.036  # share of a bar from which its number fits in


@dataclass(frozen=True, eq=False)
class WordsAgainstImage:
    """Words against images on the same items.

    Attributes:
        name: Of the captioner, or of the pair of classifiers.
        labels: C names.
        targets: int ``[N]``, 0..C-1.
        image: bool ``[N]``, whether the image's classifier is right.
        words: bool ``[N]``, whether the text classifier is.

    Raises:
        UsageError: No items, arrays of unequal length, or targets that are not classes.
    """

    name: str
    labels: tuple[str, ...]
    targets: AnyArray
    image: Bools
    words: Bools

    def __post_init__(self) -> None:
        t = self.targets
        if not len(t) or t.dtype.kind not in "iu" or not 0 <= t.min() <= t.max() < len(self.labels):
            raise UsageError(f"targets must be integers 0..{len(self.labels) - 1}, one at least", item=self.name)
        for what in ("image", "words"):
            check_flags(what, getattr(self, what), (len(t),), item=self.name)

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Items that both get right, only the image, only the words, and neither; the first three are the ceiling."""
        p, w = self.image, self.words
        return int((p & w).sum()), int((p & ~w).sum()), int((~p & w).sum()), int((~p & ~w).sum())

    def by_class(self) -> list[ClassRecalls]:
        """Each class that has items, the one that words lose most first."""
        found = []
        for number, label in enumerate(self.labels):
            of = self.targets == number
            p, w = self.image[of], self.words[of]
            if len(p):
                recalls = float(p.mean()), float(w.mean())
                found.append(ClassRecalls(label, len(p), *recalls, int((p & ~w).sum()), int((~p & w).sum())))
        return sorted(found, key=lambda one: one.words - one.image)


@dataclass(frozen=True)
class ClassRecalls:
    """One class: items, recall of the image and of the words (0..1), items that only the one or the other gets."""

    label: str
    items: int
    image: float
    words: float
    lost: int
    recovered: int


def draw_overlap(data: Sequence[WordsAgainstImage], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: who is right on what, a bar a system, the highest ceiling on top.

    Args:
        data: The systems.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No systems.
        OutputError: The folder cannot be written to.
    """
    check_any("systems", data)
    ranked = sorted(data, key=lambda one: one.parts[3] / len(one.targets))
    with drawing(stem, 8.8, 1.6 + 0.44 * len(ranked)) as figure:
        axes = figure.add_subplot()
        key(figure, _overlap(axes, ranked), loc="outside upper right", ncols=4)


def draw_information(data: WordsAgainstImage, stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: who is right on what, and which classes words lose and recover.

    Args:
        data: One system.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: The folder cannot be written to.
    """
    classes = data.by_class()
    over: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 4}
    with drawing(stem, 8.8, 3.1 + 0.34 * len(classes)) as figure:
        upper, lower = figure.subplots(2, 1, height_ratios=[1, 0.5 + 0.4 * len(classes)])
        key(upper, _overlap(upper, [data]), **over)
        key(lower, _recalls(lower, classes), **over)


def information_table(data: WordsAgainstImage, caption: str) -> Table:
    """By class, times 100: recall of both, their difference, and the items that words lose and recover."""
    heads = ("class", "items", "image recall", "words recall", "difference", "lost by words", "recovered by words")
    rows = tuple(
        (
            one.label, f"{one.items:,}", points(one.image), points(one.words),
            points(one.words - one.image, sign=True), f"{one.lost:,}", f"{one.recovered:,}",
        )
        for one in data.by_class()
    )  # fmt: skip
    return Table(heads, rows, caption)


def _overlap(axes: Axes, data: Sequence[WordsAgainstImage]) -> list[tuple[Artist, str]]:
    named_rows(axes, [one.name for one in data])
    entries: dict[str, Artist] = {}
    for row, one in enumerate(data):
        left = 0.0
        for count, (name, colour, hatch, letters) in zip(one.parts, _PARTS, strict=True):
            share = count / len(one.targets)
            (bar,) = axes.barh(row, share, 0.68, left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.8)
            entries[name] = bar
            if share >= _ROOM:
                box = {"facecolor": colour, "edgecolor": "none", "pad": 1.5}
                axes.text(
                    left + share / 2, row, points(share), ha="center", va="center", fontsize=8.5, color=letters,
                    bbox=box,
                )  # fmt: skip
            left += share
        ceiling = f"either right {points(1 - one.parts[3] / len(one.targets))}"
        axes.annotate(ceiling, (1.03, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    axes.set_xlim(0, 1)
    as_percent(axes, "x")
    axes.set_xlabel("of all items")
    return [(bar, name) for name, bar in entries.items()]


def _recalls(axes: Axes, classes: Sequence[ClassRecalls]) -> list[tuple[Artist, str]]:
    """A dumbbell a class: dark where words recover, pale where they lose."""
    named_rows(axes, [f"{folded(one.label, 26, 1)} ({one.items:,})" for one in classes])
    for row, one in enumerate(classes):
        better = one.words > one.image
        axes.plot([one.image, one.words], [row, row], color=INK if better else _PALE, linewidth=3, zorder=2)
        (image,) = axes.plot(one.image, row, "o", color=IMAGE, markersize=8, zorder=3, clip_on=False)
        (words,) = axes.plot(
            one.words, row, "s", color=WORDS, markersize=7, markerfacecolor="white", markeredgewidth=2, zorder=4,
            clip_on=False,
        )  # fmt: skip
        said = f"{points(one.words - one.image, sign=True)}: {one.lost:,} lost, {one.recovered:,} recovered"
        axes.annotate(
            said, (1.03, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5,
            color=INK if better else SOFT, fontweight="bold" if better else "normal",
        )  # fmt: skip
    axes.set_xlim(-0.01, 1.01)
    as_percent(axes, "x")
    axes.set_xlabel("recall of the class")
    return [(image, "image"), (words, "words")]
