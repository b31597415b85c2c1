"""Regions of an image: what a word attends to, the same shape elsewhere, and the image without them.

Shapes: H, W the photo's height and width; h, w cells of a grid over it, where cell (i, j) starts at pixel
(i * H / h, j * W / w); G cells a side of a square grid.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from imagist.arrays import Array, Bools, Pixels
from imagist.explanation.options import Fill
from imagist.records import Photo

_BLUR = 8  # the longest side over the radius of the blur, which hides what a thing is


def attended(attention: Array, mass: float) -> Bools:
    """The fewest cells, bool ``[h, w]``, with a share ``mass`` of the attention ``[h, w]``; at least one."""
    order = np.argsort(-attention, axis=None, kind="stable")
    held = np.cumsum(attention.ravel()[order], dtype=np.float64)
    count = 1 + int((held < mass * held[-1] * (1 - 1e-6)).sum())  # a tolerance for rounding
    cells = np.zeros(attention.size, np.bool_)
    cells[order[:count]] = True
    return cells.reshape(attention.shape)


def moved(cells: Bools, count: int, random: np.random.Generator) -> list[Bools]:
    """The region in ``count`` random other places, each bool ``[h, w]``, wrapped around the edges.

    It keeps its size. It stays in place if the grid has one cell.
    """
    width = cells.shape[1]
    shifts = random.integers(min(1, cells.size - 1), cells.size, size=count)
    return [np.roll(cells, (shift // width, shift % width), (0, 1)) for shift in shifts.tolist()]


def single_cells(grid: int) -> Bools:
    """A mask for each cell, row by row: bool ``[G * G, G, G]``."""
    return np.eye(grid * grid, dtype=np.bool_).reshape(-1, grid, grid)


def filling(photo: Photo, fill: Fill) -> Pixels:
    """The pixels that replace a hidden part: uint8 ``[H, W, 3]``."""
    if fill == "mean":
        colour = photo.pixels.mean((0, 1)).round().astype(np.uint8)
        return np.broadcast_to(colour, photo.pixels.shape)
    radius = max(photo.pixels.shape[:2]) / _BLUR
    return np.asarray(Image.fromarray(photo.pixels).filter(ImageFilter.GaussianBlur(radius)))


def hidden(photo: Photo, cells: Bools, instead: Pixels) -> Photo:
    """The photo with the pixels of some cells ``[h, w]`` replaced by those of ``instead`` ``[H, W, 3]``."""
    rows, columns = (
        -(-np.arange(n + 1) * side // n) for side, n in zip(photo.pixels.shape[:2], cells.shape, strict=True)
    )
    pixels = photo.pixels.copy()
    for row, column in zip(*np.nonzero(cells), strict=True):
        place = slice(rows[row], rows[row + 1]), slice(columns[column], columns[column + 1])
        pixels[place] = instead[place]
    return Photo(pixels, photo.source, photo.size)
