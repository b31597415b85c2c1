"""What a captioner reads of a set of images while it is trained: cached grids, or the pixels themselves.

Shapes: N images of the set, n of a batch, V views, L cells, D channels, S side in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagist.arrays import Ints, Pixels
from imagist.images.photo import ImageSource, photo_of
from imagist.training.encoders.views import Views
from imagist.training.parallel import parallel_map

Change = Callable[[Tensor], Tensor]  # of a batch of views: ``[n, ...]`` to ``[n, ...]``

BATCH = 16  # images


class Features(Protocol):
    """The inputs of a captioner for N images: grids from a frozen encoder, or pixels for one that is trained too."""

    def __len__(self) -> int:
        """N."""
        ...

    def some(self, images: Ints, rng: np.random.Generator) -> Tensor:
        """One random view of each of n images: float32 or uint8 ``[n, ...]``."""
        ...

    def whole(self, start: int, end: int) -> Tensor:
        """The first view, the whole image, of images ``start`` to ``end``: ``[end - start, ...]``."""
        ...

    def changed(self, change: Change) -> Features:
        """The same views of the same images, with a function applied to each batch of them."""
        ...


@dataclass(frozen=True, eq=False)
class Grids:
    """`Features` from a frozen encoder.

    Attributes:
        rows: float16 ``[N, V, L, D]``, the whole image first, or floats ``[N, V, ...]`` that a change made of them.
    """

    rows: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, images: Ints, rng: np.random.Generator) -> Tensor:
        """As the protocol says."""
        views = rng.integers(self.rows.shape[1], size=len(images))
        return torch.from_numpy(self.rows[images, views].astype(np.float32))

    def whole(self, start: int, end: int) -> Tensor:
        """As the protocol says."""
        return torch.from_numpy(self.rows[start:end, 0].astype(np.float32))

    def changed(self, change: Change) -> Grids:
        """As the protocol says; applies the function to every view now."""
        parts = [
            change(torch.from_numpy(self.rows[start : start + BATCH].astype(np.float32)).flatten(0, 1)).cpu()
            for start in range(0, len(self), BATCH)
        ]
        return Grids(torch.cat(parts).numpy().reshape(*self.rows.shape[:2], *parts[0].shape[1:]))


@dataclass(frozen=True, eq=False)
class Images:
    """`Features` for an encoder that is trained as well: the pixels, uint8 ``[n, S, S, 3]``, decoded each time.

    Attributes:
        images: N of them.
        views: How a view is made; `some` takes random crops.
        change: Applied to each batch.
    """

    images: Sequence[ImageSource]
    views: Views
    change: Change = lambda pixels: pixels

    def __len__(self) -> int:
        return len(self.images)

    def some(self, images: Ints, rng: np.random.Generator) -> Tensor:
        """As the protocol says."""
        seeds = rng.integers(2**31, size=len(images))
        crops = parallel_map(lambda pair: self._crop(*pair), list(zip(images, seeds, strict=True)))
        return self.change(torch.from_numpy(np.stack(crops)))

    def _crop(self, image: int, seed: int) -> Pixels:
        return self.views.crop(photo_of(self.images[image]), np.random.default_rng((int(seed), 0, 2)))

    def whole(self, start: int, end: int) -> Tensor:
        """As the protocol says."""
        views = Views(self.views.side)
        return self.change(torch.from_numpy(np.concatenate([views.of(self.images[i], i) for i in range(start, end)])))

    def changed(self, change: Change) -> Images:
        """As the protocol says; applies the function to views as they are drawn."""
        return replace(self, change=lambda pixels: change(self.change(pixels)))


@dataclass(frozen=True, eq=False)
class AnyOf:
    """`Features` of the same images from several encoders of one space; each image of a batch comes from one of them.

    Attributes:
        encoders: From each encoder; the first one gives the whole images.
    """

    encoders: Sequence[Features]

    def __len__(self) -> int:
        return len(self.encoders[0])

    def some(self, images: Ints, rng: np.random.Generator) -> Tensor:
        """As the protocol says."""
        chosen = rng.integers(len(self.encoders), size=len(images))
        parts = [np.flatnonzero(chosen == number) for number in range(len(self.encoders))]
        drawn = [each.some(images[rows], rng) for each, rows in zip(self.encoders, parts, strict=True)]
        return torch.cat(drawn)[torch.from_numpy(np.argsort(np.concatenate(parts)))]

    def whole(self, start: int, end: int) -> Tensor:
        """As the protocol says."""
        return self.encoders[0].whole(start, end)

    def changed(self, change: Change) -> AnyOf:
        """As the protocol says."""
        return AnyOf([each.changed(change) for each in self.encoders])
