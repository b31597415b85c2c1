"""Parts of an image: which a word attends to, the same elsewhere, and the image without them.

Shapes: H, W the photo's height and width; h, w cells of a grid over it, in whose cell (i, j) lie its pixels from
i * H / h and j * W / w on; G cells a side of a square grid.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from imagist.arrays import Array, Bools, Pixels
from imagist.explanation.options import Fill
from imagist.records import Photo

_BLUR = 8  # the blur's radius is this part of the longest side: what a thing is cannot be seen any more


def attended(attention: Array, mass: float) -> Bools:
    """The fewest cells, bool ``[h, w]``, that hold a share of the attention ``[h, w]``; one at least."""
    order = np.argsort(-attention, axis=None, kind="stable")
    held = np.cumsum(attention.ravel()[order], dtype=np.float64)
    count = 1 + int((held < mass * held[-1] * (1 - 1e-6)).sum())  # as much as is there, whatever rounding did
    cells = np.zeros(attention.size, np.bool_)
    cells[order[:count]] = True
    return cells.reshape(attention.shape)


def moved(cells: Bools, count: int, random: np.random.Generator) -> list[Bools]:
    """The region in ``count`` other places, each bool ``[h, w]``: what leaves at one edge comes in at the other.

    It keeps its size, and its shape but for that. Where the grid has one cell it stays where it is.
    """
    width = cells.shape[1]
    shifts = random.integers(min(1, cells.size - 1), cells.size, size=count)
    return [np.roll(cells, (shift // width, shift % width), (0, 1)) for shift in shifts.tolist()]


def single_cells(grid: int) -> Bools:
    """Each cell alone, row by row: bool ``[G * G, G, G]``."""
    return np.eye(grid * grid, dtype=np.bool_).reshape(-1, grid, grid)


def filling(photo: Photo, fill: Fill) -> Pixels:
    """What stands where a part is hidden: uint8 ``[H, W, 3]``."""
    if fill == "mean":
        colour = photo.pixels.mean((0, 1)).round().astype(np.uint8)
        return np.broadcast_to(colour, photo.pixels.shape)
    radius = max(photo.pixels.shape[:2]) / _BLUR
    return np.asarray(Image.fromarray(photo.pixels).filter(ImageFilter.GaussianBlur(radius)))


def hidden(photo: Photo, cells: Bools, instead: Pixels) -> Photo:
    """The photo with what lies in some cells ``[h, w]`` taken from other pixels ``[H, W, 3]``."""
    rows, columns = (np.arange(side) * n // side for side, n in zip(photo.pixels.shape, cells.shape, strict=False))
    mask = cells[rows][:, columns, None]
    return Photo(np.where(mask, instead, photo.pixels), photo.source, photo.size)
