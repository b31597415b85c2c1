"""What the image tower reads of images: means over windows of their grids, from each encoder, and their classes.

Shapes: N images; n of a batch; V windows; L cells of h x h; E channels; C classes; S side in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imagist.arrays import Array, Halves, Ints
from imagist.classifiers.image.imagenet import imagenet_labels
from imagist.datasets.entries import Record
from imagist.errors import DataError, UsageError
from imagist.images.photo import ImageSource
from imagist.records import Row
from imagist.storage import digest_of
from imagist.training.captioners.recipe import Backbone
from imagist.training.checkpoint import weights_key
from imagist.training.encoders.backbone import open_backbone, open_class_head
from imagist.training.encoders.grid_cache import images_key
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.encoders.row_cache import RowCache, fill
from imagist.training.encoders.runtimes import runner
from imagist.training.encoders.views import Views
from imagist.training.image_rows import read_rows
from imagist.training.matchers.recipe import NamedCorpus
from imagist.training.parallel import parallel_map

SMALLEST = 0.5  # side of a window, as a share of the grid's


@dataclass(frozen=True, eq=False)
class Encoders:
    """The encoders of a recipe with their class heads.

    Attributes:
        encoders: Frozen, all of one space.
        heads: The class head of each: means of grids ``[n, E]`` to logits ``[n, C]``.
        side: S.
        folder: Of what they compute.
        device: Where they run.
    """

    encoders: tuple[GridEncoder, ...]
    heads: tuple[nn.Linear, ...]
    side: int
    folder: Path
    device: torch.device

    @property
    def space(self) -> str:
        """The name of the space of their features, which the first one tells.

        Raises:
            UsageError: Its features belong to no space.
        """
        space = self.encoders[0].space
        if space is None:
            raise UsageError("its features belong to no space", item="backbone", remedy="name an encoder of imagist's")
        return space.name

    def windows(self, images: Sequence[ImageSource], number: int) -> tuple[Halves, ...]:
        """Of each encoder float16 ``[N, V, E]``: the mean of the whole grid, then of random windows of it.

        Args:
            images: N of them.
            number: V.
        """
        return tuple(self._windows(encoder, images, number) for encoder in self.encoders)

    def _windows(self, encoder: GridEncoder, images: Sequence[ImageSource], number: int) -> Halves:
        key = digest_of(encoder.architecture, weights_key(encoder), self.side, number, images_key(images))
        rows = RowCache(self.folder / f"windows-{key}.npy", (len(images), number, encoder.channels))
        if rows.done == len(images):
            return rows.open()
        encode, views = runner(encoder, self.side, self.device), Views(self.side)

        def compute(start: int, end: int) -> Array:
            grids = encode(np.concatenate(parallel_map(lambda i: views.of(images[i], i), range(start, end))))
            return np.stack([window_means(grid, number, i) for i, grid in enumerate(grids, start)])

        return fill(rows, compute, f"windows of {len(images):,} images")

    @torch.no_grad()
    def classes(self, encoder: int, means: Tensor) -> Tensor:
        """Class probabilities by the head of an encoder: ``[n, C]`` of means ``[n, E]``."""
        found: Tensor = self.heads[encoder](means).softmax(1)
        return found


def open_encoders(backbone: Backbone, data: Path, folder: Path, device: torch.device) -> Encoders:
    """Opens the encoders of a recipe.

    Raises:
        ImagistError: As `open_backbone` and `open_class_head`.
    """
    every = backbone.every()
    encoders = tuple(open_backbone(config, data) for config in every)
    heads = tuple(open_class_head(config, data).to(device) for config in every)
    return Encoders(encoders, heads, backbone.image_size, folder, device)


def window_means(grid: Array, number: int, seed: int) -> Array:
    """Means of a grid ``[L, E]`` over all of it, then over random windows: float32 ``[V, E]``.

    Args:
        grid: Its h x h cells, row by row.
        number: V.
        seed: Of the windows.

    Raises:
        DataError: The grid is not square.
    """
    side = math.isqrt(len(grid))
    if side * side != len(grid):
        raise DataError(f"a grid of {len(grid)} cells is not square")
    square, rng = grid.reshape(side, side, -1), np.random.default_rng(seed)
    found = [grid.mean(0)]
    for _ in range(1, number):
        height, width = rng.integers(math.ceil(SMALLEST * side), side + 1, 2)
        top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
        found.append(square[top : top + height, left : left + width].mean((0, 1)))
    return np.stack(found)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one corpus.

    Attributes:
        windows: Of each encoder ``[N, V, E]``.
        targets: The classes of each, float32 ``[N, C]``, summing to 1.
    """

    windows: tuple[NDArray[np.floating], ...]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def number(self) -> int:
        """V."""
        return int(self.windows[0].shape[1])

    def means(self, encoder: int, images: Ints, windows: Ints) -> Tensor:
        """One window of each of n images, by one encoder: float32 ``[n, E]``."""
        return torch.from_numpy(self.windows[encoder][images, windows].astype(np.float32))


def image_set(encoders: Encoders, images: Sequence[ImageSource], number: int) -> ImageSet:
    """Images of which the last encoder tells the classes; V is ``number``."""
    windows = encoders.windows(images, number)
    whole = torch.from_numpy(windows[-1][:, 0].astype(np.float32)).to(encoders.device)
    return ImageSet(windows, encoders.classes(len(windows) - 1, whole).cpu())


def named_set(config: NamedCorpus, encoders: Encoders, data: Path, known: float, seed: int) -> ImageSet:
    """The images of a corpus without captions.

    Args:
        config: Of the corpus.
        encoders: Tell the classes of images of which they are not known.
        data: Folder of relative paths.
        known: Share of the target on a known class, 0 to 1.
        seed: Of the choice of images.

    Raises:
        DataError: A source cannot be read, or no row has a class in its column.
    """
    rows = some_rows(read_rows(config.sources, data), config.images, seed)
    found = image_set(encoders, records(rows), config.windows)
    if config.classes is None:
        return found
    numbers = {wnid: number for number, wnid in enumerate(imagenet_labels())}
    own = [numbers.get(str(row.columns.get(config.classes)), -1) for row in rows]
    places = [place for place, number in enumerate(own) if number >= 0]
    if not places:
        raise DataError("no row has the wnid of a class", item=f"data.named.classes = {config.classes}")
    targets = found.targets.clone()
    targets[places] *= 1 - known
    targets[places, [own[place] for place in places]] += known
    return ImageSet(found.windows, targets)


def some_rows(rows: Sequence[Row], most: int | None, seed: int) -> list[Row]:
    """At most so many rows, drawn at random, in their order."""
    if most is None or len(rows) <= most:
        return list(rows)
    return [rows[i] for i in sorted(np.random.default_rng((seed, 2)).permutation(len(rows))[:most])]


def records(rows: Iterable[Row]) -> list[Record]:
    """Rows as images of a data set."""
    return [Record(row.source, (), content=row.content) for row in rows]
