"""Compares a classifier of captions with a classifier of images on the same items.

Shapes: N items; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.arrays import AnyArray, Bools
from imagist.errors import UsageError
from imagist.report.charts.style import IMAGE, INK, SOFT, TEXT, as_percent, drawing, key, named_rows
from imagist.report.charts.validation import check_flags
from imagist.report.formatting import folded, points

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_PARTS = (  # name, colour, hatch, colour of the letters
    ("both correct", "#dcdcdf", "", INK),
    ("only image correct", IMAGE, "", "white"),
    ("only text correct", "#e7b183", "////", INK),
    ("neither correct", "#3d3d42", "", "white"),
)
_PALE = "#bdb8ac"  # bar of a class with a lower recall in text
_ROOM = 0.036  # smallest share of a bar that has room for its number


@dataclass(frozen=True, eq=False)
class TextVsImage:
    """Which of two classifiers is correct on the same items.

    Attributes:
        name: Of the captioner, or of the pair of classifiers.
        labels: C names.
        targets: int ``[N]``, 0..C-1.
        image: bool ``[N]``, whether the image classifier is correct.
        text: bool ``[N]``, whether the text classifier is.

    Raises:
        UsageError: No items, arrays of unequal length, or targets that are not classes.
    """

    name: str
    labels: tuple[str, ...]
    targets: AnyArray
    image: Bools
    text: Bools

    def __post_init__(self) -> None:
        t = self.targets
        if not len(t) or t.dtype.kind not in "iu" or not 0 <= t.min() <= t.max() < len(self.labels):
            raise UsageError(f"targets must be integers 0..{len(self.labels) - 1}, one at least", item=self.name)
        for what in ("image", "text"):
            check_flags(what, getattr(self, what), (len(t),), item=self.name)

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Counts of items: both correct, only the image classifier, only the text classifier, neither."""
        p, w = self.image, self.text
        return int((p & w).sum()), int((p & ~w).sum()), int((~p & w).sum()), int((~p & ~w).sum())

    def by_class(self) -> list[ClassRecalls]:
        """Each class that has items, in ascending order of text recall minus image recall."""
        found = []
        for number, label in enumerate(self.labels):
            of = self.targets == number
            p, w = self.image[of], self.text[of]
            if len(p):
                recalls = float(p.mean()), float(w.mean())
                found.append(ClassRecalls(label, len(p), *recalls, int((p & ~w).sum()), int((~p & w).sum())))
        return sorted(found, key=lambda one: one.text - one.image)


@dataclass(frozen=True)
class ClassRecalls:
    """One class: items, recall of both classifiers (0..1), items that only image (lost) or text (gained) gets right."""

    label: str
    items: int
    image: float
    text: float
    lost: int
    gained: int


def draw_text_vs_image(data: TextVsImage, stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: who is correct on what share of the items, and recall by class.

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
        key(upper, _overlap(upper, data), **over)
        key(lower, _recalls(lower, classes), **over)


def _overlap(axes: Axes, data: TextVsImage) -> list[tuple[Artist, str]]:
    """One bar: the shares of items that both, one or neither classifies correctly."""
    named_rows(axes, [data.name])
    entries: list[tuple[Artist, str]] = []
    left = 0.0
    for count, (name, colour, hatch, letters) in zip(data.parts, _PARTS, strict=True):
        share = count / len(data.targets)
        (bar,) = axes.barh(0, share, 0.68, left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.8)
        entries.append((bar, name))
        if share >= _ROOM:
            box = {"facecolor": colour, "edgecolor": "none", "pad": 1.5}
            axes.text(
                left + share / 2, 0, points(share), ha="center", va="center", fontsize=8.5, color=letters, bbox=box
            )
        left += share
    ceiling = f"either correct {points(1 - data.parts[3] / len(data.targets))}"
    axes.annotate(ceiling, (1.03, 0), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    axes.set_xlim(0, 1)
    as_percent(axes, "x")
    axes.set_xlabel("of all items")
    return entries


def _recalls(axes: Axes, classes: Sequence[ClassRecalls]) -> list[tuple[Artist, str]]:
    """One line per class between both recalls: dark if text has the higher recall, pale otherwise."""
    named_rows(axes, [f"{folded(one.label, 26, 1)} ({one.items:,})" for one in classes])
    for row, one in enumerate(classes):
        better = one.text > one.image
        axes.plot([one.image, one.text], [row, row], color=INK if better else _PALE, linewidth=3, zorder=2)
        (image,) = axes.plot(one.image, row, "o", color=IMAGE, markersize=8, zorder=3, clip_on=False)
        (text,) = axes.plot(
            one.text, row, "s", color=TEXT, markersize=7, markerfacecolor="white", markeredgewidth=2, zorder=4,
            clip_on=False,
        )  # fmt: skip
        note = f"{points(one.text - one.image, sign=True)}: {one.lost:,} lost, {one.gained:,} gained"
        axes.annotate(
            note, (1.03, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5,
            color=INK if better else SOFT, fontweight="bold" if better else "normal",
        )  # fmt: skip
    axes.set_xlim(-0.01, 1.01)
    as_percent(axes, "x")
    axes.set_xlabel("recall of the class")
    return [(image, "image"), (text, "text")]
