"""The captioner's attention for each word: heat maps over the image, one panel per word.

Shapes: T words; h, w cells of the attention map; W, H a panel's width and height in pixels.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imagist.arrays import Array
from imagist.records import Caption, Photo

PANEL = 220  # longest side of a panel, in pixels
COLUMNS = 5
MARGIN = 14
TEXT = 19  # font size, in pixels
PAPER, INK, FAINT = (250, 249, 246), (28, 28, 30), (122, 122, 128)

# What a word looks at no more than at half of the image is darkened; its peak is clear, with a warm rim.
_HEAT = np.array([0.0, 0.3, 0.65, 1.0])
_RGBA = np.array([[10, 9, 24, 205], [120, 20, 50, 140], [244, 110, 30, 70], [255, 226, 120, 16]])

# The colour of each of 256 steps of attention, from 0 to 1.
_COLOURS = np.stack([np.interp(np.linspace(0, 1, 256), _HEAT, column) for column in _RGBA.T], -1)
_COLOURS = _COLOURS.round().astype(np.uint8)


def heat(attention: Array, size: tuple[int, int]) -> Image.Image:
    """One word's attention as a translucent image to lay over the photo.

    Args:
        attention: float32 ``[h, w]``, >= 0; only its relative heights matter.
        size: ``(W, H)`` of the result.

    Returns:
        RGBA of that size: clear at the peak, warm around it, dark where attention is at most the median of its cells.
    """
    smooth = Image.fromarray(np.ascontiguousarray(attention, np.float32)).resize(size, Image.Resampling.BICUBIC)
    levels = np.clip(np.asarray(smooth) - np.float32(np.median(attention)), 0, None)
    steps = (levels * (255 / max(float(levels.max()), 1e-12))).round().astype(np.uint8)
    return Image.fromarray(_COLOURS[steps])


def contact_sheet(photo: Photo, caption: Caption) -> Image.Image:
    """The photo, then one panel per word: the word, and the photo under the word's heat map.

    Args:
        photo: The captioned photo.
        caption: With attention ``[T, h, w]``; without, the sheet holds the photo alone.
    """
    image = Image.fromarray(photo.pixels)
    image = image.resize(fit(image.size, (PANEL, PANEL)), Image.Resampling.LANCZOS)
    maps = () if caption.attention is None else caption.attention
    panels = [(image, "")]
    panels += [(overlaid(image, cells), word) for cells, word in zip(maps, caption.tokens, strict=False)]
    columns = min(COLUMNS, len(panels))
    cell = (PANEL + MARGIN, image.height + TEXT + 2 * MARGIN)
    lines = wrapped(caption.text, columns * cell[0] - MARGIN)
    top = 2 * MARGIN + len(lines) * (TEXT + 8)
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * cell[0] + MARGIN, top + rows * cell[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + number * (TEXT + 8)), line, INK, _font())
    for number, (panel, word) in enumerate(panels):
        x, y = MARGIN + number % columns * cell[0], top + number // columns * cell[1]
        sheet.paste(panel, (x, y))
        place = f"{number} " if word else ""
        draw.text((x, y + image.height + 5), place, FAINT, _font())
        draw.text((x + draw.textlength(place, _font()), y + image.height + 5), word, INK, _font())
    return sheet


def fit(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest ``(width, height)`` of the same shape that lies in the box; at least one pixel each way."""
    scale = min(box[0] / size[0], box[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def overlaid(image: Image.Image, attention: Array) -> Image.Image:
    """The image, RGB, under one word's heat map ``[h, w]``."""
    return Image.alpha_composite(image.convert("RGBA"), heat(attention, image.size)).convert("RGB")


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most so many pixels; a longer word stands alone."""
    lines: list[str] = []
    for word in text.split():
        if lines and _font().getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(TEXT)
