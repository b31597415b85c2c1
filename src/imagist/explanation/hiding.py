"""Hides parts of an image from the parts of a pipeline.

Where captioner and image classifier read nothing of an image but the grid of one encoder, parts are hidden at the
resolution that the encoder sees, so that no copy is resized. The cells of the encoder's own grid are then left out: the
image classifier gets the other cells' features, and their mean in place of this one. Where the classifier is a linear
layer over the mean of the grid, this splits its logit into the shares of the cells exactly (class activation maps, Zhou
et al. 2016), and takes none of the encoder's time, where hiding takes 49 runs of it. What it misses is what the other
cells have seen of the one; `benchmarks/explain.py` measures how faithful it is. ``ExplainOptions.exact`` hides the
pixels of each cell.

Shapes: S pixels a side of what the encoder sees; G cells a side of its grid; h, w cells of a mask; D channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from imagist.arrays import Bools
from imagist.explanation.options import ExplainOptions
from imagist.explanation.regions import filling, hidden, single_cells
from imagist.images.encoder import Encoder
from imagist.pipeline import Pipeline
from imagist.records import Photo


class Hiding(Protocol):
    """A way to hide parts of a photo."""

    def copies(self, photo: Photo, masks: Iterable[Bools]) -> Iterator[Photo]:
        """The photo under each mask, bool ``[h, w]``, in order; made as they are asked for."""
        ...

    def cells(self, photo: Photo, grid: int) -> Iterator[Photo]:
        """The photo without each cell of a grid, row by row: ``grid * grid`` of them."""
        ...


class HidingPixels:
    """Hides pixels of the photo, for parts of any kind.

    Args:
        options: With the fill.
    """

    def __init__(self, options: ExplainOptions) -> None:
        self._fill = options.fill

    def copies(self, photo: Photo, masks: Iterable[Bools]) -> Iterator[Photo]:
        """See `Hiding`."""
        instead = filling(photo, self._fill)
        return (hidden(photo, cells, instead) for cells in masks)

    def cells(self, photo: Photo, grid: int) -> Iterator[Photo]:
        """See `Hiding`."""
        return self.copies(photo, single_cells(grid))


class HidingFromEncoder:
    """Hides pixels of what an encoder sees of the photo, which are the pixels of a copy.

    Args:
        encoder: Sees the whole image as a square.
        options: With the fill, and whether cells are hidden, not left out.
    """

    def __init__(self, encoder: Encoder, options: ExplainOptions) -> None:
        self._encoder, self._fill, self._exact = encoder, options.fill, options.exact

    def copies(self, photo: Photo, masks: Iterable[Bools]) -> Iterator[Photo]:
        """See `Hiding`. Equal masks give the same copy, whose grid the encoder remembers."""
        seen = self._seen(photo)
        instead = filling(seen, self._fill)
        known: dict[bytes, Photo] = {}  # words often attend to the same cells
        for cells in masks:
            key = cells.tobytes()
            if key not in known:
                known[key] = hidden(seen, cells, instead)
            yield known[key]

    def cells(self, photo: Photo, grid: int) -> Iterator[Photo]:
        """See `Hiding`."""
        if not self.leaves_out(grid):
            yield from self.copies(photo, single_cells(grid))
            return
        (whole,) = self._encoder.grids([photo])
        pixels = self._seen(photo).pixels
        rest = (whole.sum(1, keepdims=True) - whole) / (grid * grid - 1)  # for each cell the mean of the others
        for cell in range(grid * grid):
            without = whole.copy()
            without[:, cell] = rest[:, cell]
            copy = Photo(pixels, photo.source, photo.size)
            self._encoder.remember(copy, without)
            yield copy

    def leaves_out(self, grid: int) -> bool:
        """Whether the features of the cells of such a grid are left out, not their pixels hidden."""
        return not self._exact and grid == self._encoder.cells > 1

    def _seen(self, photo: Photo) -> Photo:
        return Photo(self._encoder.seen(photo)[0], photo.source, photo.size)


def hiding(pipeline: Pipeline, options: ExplainOptions) -> Hiding:
    """How parts of photos are hidden from a pipeline."""
    parts = (pipeline.captioner, pipeline.image_classifier)
    encoders = [getattr(part, "encoder", None) for part in parts if getattr(part, "reads_grids", False)]
    encoder = encoders[0] if len(encoders) == len(parts) and encoders[0] is encoders[1] else None
    if isinstance(encoder, Encoder) and encoder.views == "square":
        return HidingFromEncoder(encoder, options)
    return HidingPixels(options)
