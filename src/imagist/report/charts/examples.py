"""Example images with the predictions of each system.

Shapes: H, W an image's height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imagist.arrays import Pixels
from imagist.errors import UsageError
from imagist.report.charts.style import CROSS, INK, RIGHT, SOFT, TICK, WRONG, drawing
from imagist.report.charts.validation import check_any
from imagist.report.formatting import folded, plain, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGE = 320  # longest side, in pixels
_LINE = 0.19  # height of a line of text, in inches
_WIDTH = 78  # of a caption's line, in characters


@dataclass(frozen=True)
class ExamplePrediction:
    """Prediction of one system for one image.

    Attributes:
        system: Its name.
        label: The predicted category.
        correct: Whether it is the true one.
        probability: Of that category, 0..1; None without one.
        caption: The caption that it classified; None for images alone.
    """

    system: str
    label: str
    correct: bool
    probability: float | None = None
    caption: str | None = None


@dataclass(frozen=True, eq=False)
class Example:
    """One image with the predictions of several systems.

    Attributes:
        name: Of the image.
        pixels: uint8 ``[H, W, 3]``, RGB.
        label: The true category.
        predictions: One per system.

    Raises:
        UsageError: Not such pixels.
    """

    name: str
    pixels: Pixels
    label: str
    predictions: tuple[ExamplePrediction, ...]

    def __post_init__(self) -> None:
        p = self.pixels
        if p.dtype != np.uint8 or p.ndim != 3 or p.shape[2] != 3 or 0 in p.shape:
            raise UsageError(f"pixels must be uint8 [H, W, 3], got {p.dtype} {list(p.shape)}", item=self.name)


def draw_examples(data: Sequence[Example], stem: Path) -> None:
    """Writes ``stem.png`` and ``stem.svg``: a row per image, with its predictions.

    Args:
        data: The images; a dozen at most are legible.
        stem: Path without its suffix.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No images.
        OutputError: The folder cannot be written to.
    """
    check_any("images", data)
    heights = [max(1.7, _LINE * (2 + sum(1.35 + len(_lines(p)) for p in example.predictions))) for example in data]
    with drawing(stem, 8.4, sum(heights) + 0.12 * len(data)) as figure:
        panels = figure.subplots(len(data), 2, squeeze=False, width_ratios=[1, 3.4], height_ratios=heights)
        for (image, text), example, height in zip(panels, data, heights, strict=True):
            for axes in (image, text):
                axes.set_axis_off()
            image.imshow(scaled(example.pixels), interpolation="nearest")
            image.set_anchor("N")
            _write(text, example, height)


def _write(axes: Axes, example: Example, height: float) -> None:
    """Writes the true label, then each prediction with its caption under it."""
    # A caption of wide letters is cut at the edge, instead of pushing everything else aside.
    write = partial(axes.text, va="top", transform=axes.transAxes, in_layout=False)
    step, y = _LINE / height, 1.0
    write(0, y, f"label: {folded(example.label, 40, 1)}", fontweight="bold")
    write(1, y, shortened(example.name, 24), ha="right", fontsize=7, color=SOFT)
    y -= 1.6 * step
    for prediction in example.predictions:
        sign, colour = (TICK, RIGHT) if prediction.correct else (CROSS, WRONG)
        write(0, y, sign, fontsize=10, color=colour)
        write(0.045, y, f"{shortened(prediction.label, 24)}{_probability(prediction)}", color=colour, fontweight="bold")
        write(1, y, shortened(prediction.system, 40), ha="right", fontsize=8, color=SOFT)
        y -= step
        for line in _lines(prediction):
            write(0.045, y, line, style="italic", color=INK, fontsize=8.5)
            y -= step
        y -= 0.35 * step


def _lines(prediction: ExamplePrediction) -> list[str]:
    """The caption in two lines at most."""
    return wrap(plain(prediction.caption or ""), _WIDTH, max_lines=2, placeholder=" …")


def _probability(prediction: ExamplePrediction) -> str:
    return "" if prediction.probability is None else f" {prediction.probability:.0%}"


def scaled(pixels: Pixels) -> Pixels:
    """The image, reduced to `IMAGE` pixels on its longest side."""
    image = Image.fromarray(pixels)
    image.thumbnail((IMAGE, IMAGE), Image.Resampling.LANCZOS)
    return np.asarray(image)
