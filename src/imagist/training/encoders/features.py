"""What frozen networks make of varied views of the training images, computed once and kept on disk as float16."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagist.arrays import Array, Halves, Ints
from imagist.storage import write_json
from imagist.training.embedded.images import PhotoSet, normalised, varied
from imagist.training.progress import Progress

Change = Callable[[Tensor], Tensor]  # of each of n views: ``[n, ...]`` to ``[n, ...]``

AT_ONCE = 16  # images


class Features(Protocol):
    """What a captioner is given of N photos: grids that a frozen encoder made, or the photos themselves."""

    def __len__(self) -> int:
        """N."""
        ...

    def some(self, photos: Ints, rng: np.random.Generator) -> Tensor:
        """For each of n photos one view, drawn: float32 ``[n, ...]``."""
        ...

    def whole(self, start: int, end: int) -> Tensor:
        """Photos ``start`` to ``end`` as they will be served: float32 ``[end - start, ...]``."""
        ...

    def changed(self, change: Change) -> Features:
        """The same views of the same photos, what is given of each changed."""
        ...


@dataclass(frozen=True, eq=False)
class Grids:
    """`Features` of a frozen encoder, the first of a photo's views being the whole.

    Attributes:
        kept: float16 ``[N, V, L, D]``, or floats ``[N, V, ...]`` of what they were changed to.
    """

    kept: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.kept)

    def some(self, photos: Ints, rng: np.random.Generator) -> Tensor:
        """As the protocol says."""
        views = rng.integers(self.kept.shape[1], size=len(photos))
        return torch.from_numpy(self.kept[photos, views].astype(np.float32))

    def whole(self, start: int, end: int) -> Tensor:
        """As the protocol says."""
        return torch.from_numpy(self.kept[start:end, 0].astype(np.float32))

    def changed(self, change: Change) -> Grids:
        """As the protocol says; every view is changed once, now."""
        made = [
            change(torch.from_numpy(self.kept[start : start + AT_ONCE].astype(np.float32)).flatten(0, 1)).cpu()
            for start in range(0, len(self), AT_ONCE)
        ]
        return Grids(torch.cat(made).numpy().reshape(*self.kept.shape[:2], *made[0].shape[1:]))


@dataclass(frozen=True, eq=False)
class Encoded:
    """A set of images and what a frozen encoder made of their views.

    Attributes:
        photos: The set.
        grids: float16 ``[N, V, L, D]``.
    """

    photos: PhotoSet
    grids: Halves


@dataclass(frozen=True)
class Kept:
    """An array on disk that is filled row by row and remembers how far it is.

    Attributes:
        path: The ``.npy`` file; a ``.json`` beside it says how many rows are done.
        shape: ``[N, ...]``.
    """

    path: Path
    shape: tuple[int, ...]

    @property
    def done(self) -> int:
        """Rows that are filled."""
        place = self.path.with_suffix(".json")
        return int(json.loads(place.read_text())["done"]) if place.exists() and self.path.exists() else 0

    def open(self) -> Halves:
        """The array, mapped for reading and writing."""
        if self.done:
            return np.load(self.path, mmap_mode="r+")  # type: ignore[no-any-return]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return np.lib.format.open_memmap(self.path, mode="w+", dtype=np.float16, shape=self.shape)

    def mark(self, array: Halves, done: int) -> None:
        """Writes what was filled and says so, in this order."""
        array.flush()  # type: ignore[attr-defined]
        write_json(self.path.with_suffix(".json"), {"done": done})


def fill(kept: Kept, compute: Callable[[int, int], Array], name: str) -> Halves:
    """Computes the rows that are missing, ``compute(start, end)`` at a time, and returns the whole."""
    array, done = kept.open(), kept.done
    progress = Progress(name, kept.shape[0], done)
    while done < kept.shape[0]:
        end = min(done + AT_ONCE, kept.shape[0])
        array[done:end] = compute(done, end).reshape(end - done, *kept.shape[1:])
        for _ in range(done, end):
            progress.step(1)
        done = end
        if done % (32 * AT_ONCE) == 0 or done == kept.shape[0]:
            kept.mark(array, done)
    return array


def views(photos: PhotoSet, start: int, end: int, number: int, seed: int = 0) -> Tensor:
    """The first view of each image as it is, the others varied, always the same for a seed.

    Returns:
        float32 ``[(end - start) * number, 3, 224, 224]``, the views of one image together.
    """

    def made() -> Iterator[Tensor]:
        for i in range(start, end):
            yield normalised(photos.pixels[i : i + 1])
            for view in range(1, number):
                yield varied(photos.pixels[i], np.random.default_rng((seed, i, view)))

    return torch.cat(list(made())).contiguous(memory_format=torch.channels_last)
