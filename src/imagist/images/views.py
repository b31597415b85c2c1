"""Views of an image: from a photo's pixels to the squares that an encoder takes.

Shapes: H, W the photo's height and width; V views, at most 6; S the encoder's side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from PIL import Image

from imagist.arrays import AnyArray, Pixels
from imagist.errors import UnknownName

View = Callable[[Pixels, int], Pixels]

MOST_VIEWS = 6
_NEUTRAL = (124, 116, 104)  # the mean colour of ImageNet, which encoders are normalised to
_NEARLY_SQUARE = 1.25
_STEP = 0.75  # of the short side, between neighbouring crops: they share a quarter or more
_DETAIL = 0.6  # side of a detail crop, as a share of the short side
_REDUCING_GAP = 2.0


def square(pixels: Pixels, side: int) -> Pixels:
    """The whole image, resized to a square without regard to its proportions.

    Args:
        pixels: uint8 ``[H, W, 3]``.
        side: S, in pixels.

    Returns:
        uint8 ``[1, S, S, 3]``; the same pixels where they are S x S already.
    """
    return _cut(pixels, (0, 0, pixels.shape[1], pixels.shape[0]), (side, side))[None]


def letterbox(pixels: Pixels, side: int) -> Pixels:
    """The whole image in its own proportions, centred on a neutral colour.

    Args:
        pixels: uint8 ``[H, W, 3]``.
        side: S, in pixels.

    Returns:
        uint8 ``[1, S, S, 3]``; the same pixels where they are S x S already.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    fit = max(1, round(width * scale)), max(1, round(height * scale))
    if fit == (side, side):
        return square(pixels, side)
    left, top = (side - fit[0]) // 2, (side - fit[1]) // 2
    out = np.full((1, side, side, 3), _NEUTRAL, np.uint8)
    out[0, top : top + fit[1], left : left + fit[0]] = _cut(pixels, (0, 0, width, height), fit)
    return out


def crops(pixels: Pixels, side: int) -> Pixels:
    """The whole image, then parts of it, for tall, wide and crowded images.

    The first view is `square`. Square crops along the long side follow, up to five, which overlap by a quarter or more.
    An image of at least twice the encoder's side also gets detail crops: four corners if it is nearly square, else as
    many along its middle as fit into six views. A small, nearly square image has one view.

    Args:
        pixels: uint8 ``[H, W, 3]``.
        side: S, in pixels.

    Returns:
        uint8 ``[V, S, S, 3]``, 1 <= V <= 6, the whole first.
    """
    boxes = _boxes(pixels.shape[1], pixels.shape[0], side)
    return np.concatenate([square(pixels, side), *(_cut(pixels, box, (side, side))[None] for box in boxes)])


Box = tuple[float, float, float, float]


def _boxes(width: int, height: int, side: int) -> list[Box]:
    """``(left, top, right, bottom)`` of the parts, after the whole."""
    short, long = sorted((width, height))
    detail = _DETAIL * short
    large = short >= 2 * side
    if long <= _NEARLY_SQUARE * short:
        corners = [(x, y) for y in (0.0, height - detail) for x in (0.0, width - detail)] if large else []
        return [(x, y, x + detail, y + detail) for x, y in corners]
    room = MOST_VIEWS - 1
    count = min(room, 1 + math.ceil((long / short - 1) / _STEP))
    spans = [(start, 0.0, float(short)) for start in np.linspace(0, long - short, count)]
    if large:
        middle = (short - detail) / 2
        spans += [(start, middle, detail) for start in np.linspace(0, long - detail, room - count + 2)[1:-1]]
    boxes = [(along, across, along + size, across + size) for along, across, size in spans]
    return boxes if width >= height else [(top, left, bottom, right) for left, top, right, bottom in boxes]


def _cut(pixels: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    if box == (0, 0, *size) and pixels.shape[:2] == size[::-1]:
        return pixels
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=_REDUCING_GAP))


VIEWS: Mapping[str, View] = MappingProxyType({"square": square, "letterbox": letterbox, "crops": crops})


def covered(name: str, pixels: Pixels, cells: int) -> tuple[slice, slice]:
    """Which cells of a grid over the first view cover a part of the image, not padding only.

    Args:
        name: The name of the view.
        pixels: uint8 ``[H, W, 3]``.
        cells: Cells a side.

    Returns:
        Rows and columns.
    """
    long = max(pixels.shape[:2]) if name == "letterbox" else 0
    spans = [cells * side / long if long else cells for side in pixels.shape[:2]]
    rows, columns = (slice(math.floor((cells - span) / 2), math.ceil((cells + span) / 2)) for span in spans)
    return rows, columns


def by_photo(rows: AnyArray, views: Sequence[AnyArray]) -> AnyArray:
    """The mean over each photo's views.

    Args:
        rows: ``[W, C]``, a row for each view of N photos, one photo after the other.
        views: For each photo an array of its views, whose length is their number.

    Returns:
        ``[N, C]``.
    """
    ends = np.cumsum([len(each) for each in views])[:-1]
    return np.stack([each.mean(0) for each in np.split(rows, ends)])


def view(name: str) -> View:
    """The view of a name.

    Raises:
        UnknownName: There is none of that name; the message lists the names.
    """
    try:
        return VIEWS[name]
    except KeyError:
        raise UnknownName(f"no view {name!r}", remedy=f"one of {', '.join(VIEWS)}") from None
