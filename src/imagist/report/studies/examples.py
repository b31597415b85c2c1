"""Images with what each system says of them, right or wrong: as a figure, and as cards for the page.

Shapes: H, W an image's height and width.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imagist.arrays import Pixels
from imagist.errors import UsageError
from imagist.report.studies.checking import check_any
from imagist.report.studies.style import CROSS, INK, RIGHT, SOFT, TICK, WRONG, drawing
from imagist.report.studies.wording import folded, plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGE = 320  # longest side, in pixels
_LINE = 0.19  # height of a line of text, in inches
_WIDTH = 78  # of a caption's line, in characters


@dataclass(frozen=True)
class Verdict:
    """What one system says of one image.

    Attributes:
        system: Its name.
        label: The category it chose.
        right: Whether that is the true one.
        probability: That it gives the category, 0..1; None where it gives none.
        caption: The words it read; None where it looks at the image alone.
    """

    system: str
    label: str
    right: bool
    probability: float | None = None
    caption: str | None = None


@dataclass(frozen=True, eq=False)
class Shown:
    """One image of the panel.

    Attributes:
        name: Of the image.
        pixels: uint8 ``[H, W, 3]``, RGB.
        label: The true category.
        verdicts: One a system.

    Raises:
        UsageError: Not such pixels.
    """

    name: str
    pixels: Pixels
    label: str
    verdicts: tuple[Verdict, ...]

    def __post_init__(self) -> None:
        p = self.pixels
        if p.dtype != np.uint8 or p.ndim != 3 or p.shape[2] != 3 or 0 in p.shape:
            raise UsageError(f"pixels must be uint8 [H, W, 3], got {p.dtype} {list(p.shape)}", item=self.name)


def draw_examples(data: Sequence[Shown], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: a row an image, the verdicts beside it.

    Args:
        data: The images; a dozen at most read well.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No images.
        OutputError: The folder cannot be written to.
    """
    check_any("images", data)
    heights = [max(1.7, _LINE * (2 + sum(1.35 + len(_lines(v)) for v in shown.verdicts))) for shown in data]
    with drawing(stem, 8.4, sum(heights) + 0.12 * len(data)) as figure:
        panels = figure.subplots(len(data), 2, squeeze=False, width_ratios=[1, 3.4], height_ratios=heights)
        for (image, words), shown, height in zip(panels, data, heights, strict=True):
            for axes in (image, words):
                axes.set_axis_off()
            image.imshow(_scaled(shown.pixels), interpolation="nearest")
            image.set_anchor("N")
            _write(words, shown, height)


def cards(data: Sequence[Shown]) -> str:
    """The same as HTML for the page: all text escaped, images inside."""
    return f'<div class="shown">{"".join(map(_card, data))}</div>\n'


def _write(axes: Axes, shown: Shown, height: float) -> None:
    """The truth, then a verdict a line and its caption under it, from the top down."""
    # A caption of wide letters is cut at the edge, instead of pushing everything else aside.
    write = partial(axes.text, va="top", transform=axes.transAxes, in_layout=False)
    step, y = _LINE / height, 1.0
    write(0, y, f"truth: {folded(shown.label, 40, 1)}", fontweight="bold")
    write(1, y, shortened(shown.name, 24), ha="right", fontsize=7, color=SOFT)
    y -= 1.6 * step
    for verdict in shown.verdicts:
        sign, colour = (TICK, RIGHT) if verdict.right else (CROSS, WRONG)
        write(0, y, sign, fontsize=10, color=colour)
        write(0.045, y, f"{shortened(verdict.label, 24)}{_probability(verdict)}", color=colour, fontweight="bold")
        write(1, y, shortened(verdict.system, 40), ha="right", fontsize=8, color=SOFT)
        y -= step
        for line in _lines(verdict):
            write(0.045, y, line, style="italic", color=INK, fontsize=8.5)
            y -= step
        y -= 0.35 * step


def _lines(verdict: Verdict) -> list[str]:
    """The caption in two lines at most."""
    return wrap(plain(verdict.caption or ""), _WIDTH, max_lines=2, placeholder=" …")


def _card(shown: Shown) -> str:
    buffer = io.BytesIO()
    Image.fromarray(_scaled(shown.pixels)).save(buffer, "jpeg", quality=82, optimize=True)
    source = f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode('ascii')}"
    verdicts = "".join(map(_verdict, shown.verdicts))
    return (
        f'<article class="card"><img src="{source}" alt="{escape(plain(shown.name))}">'
        f'<div><p class="truth">{escape(plain(shown.label))}</p><ul class="verdicts">{verdicts}</ul>'
        f'<p class="soft">{escape(plain(shown.name))}</p></div></article>\n'
    )


def _verdict(verdict: Verdict) -> str:
    kind, sign, said = ("right", TICK, "right") if verdict.right else ("wrong", CROSS, "wrong")
    caption = f"<q>{escape(plain(verdict.caption))}</q>" if verdict.caption else ""
    return (
        f'<li class="{kind}"><b><span role="img" aria-label="{said}">{sign}</span> {escape(plain(verdict.label))}</b>'
        f'{_probability(verdict)} <span class="soft">{escape(plain(verdict.system))}</span>{caption}</li>'
    )


def _probability(verdict: Verdict) -> str:
    return "" if verdict.probability is None else f" {verdict.probability:.0%}"


def _scaled(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    image.thumbnail((IMAGE, IMAGE), Image.Resampling.LANCZOS)
    return np.asarray(image)
