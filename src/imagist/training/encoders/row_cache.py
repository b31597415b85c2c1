"""Arrays of float16 on disk that are computed row by row, so that a killed run goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import Array, Halves
from imagist.storage import write_json
from imagist.training.progress import Progress

BATCH = 16  # rows that are computed together
SAVE_EVERY = 32  # batches


@dataclass(frozen=True)
class RowCache:
    """A ``.npy`` file and, in a ``.json`` file of the same name, the number of its rows that are computed.

    Attributes:
        path: The ``.npy`` file.
        shape: ``[N, ...]``.
    """

    path: Path
    shape: tuple[int, ...]

    @property
    def done(self) -> int:
        """The number of rows that are computed."""
        place = self.path.with_suffix(".json")
        return int(json.loads(place.read_text())["done"]) if place.exists() and self.path.exists() else 0

    def open(self) -> Halves:
        """The array, memory-mapped for reading and writing."""
        if self.done:
            return np.load(self.path, mmap_mode="r+")  # type: ignore[no-any-return]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return np.lib.format.open_memmap(self.path, mode="w+", dtype=np.float16, shape=self.shape)

    def save(self, array: Halves, done: int) -> None:
        """Writes the array first, then the number of rows that are computed."""
        array.flush()  # type: ignore[attr-defined]
        write_json(self.path.with_suffix(".json"), {"done": done})


def fill(rows: RowCache, compute: Callable[[int, int], Array], name: str, batch: int | None = None) -> Halves:
    """Computes the missing rows and returns the whole array.

    Args:
        rows: The file.
        compute: From ``start`` and ``end`` to these rows.
        name: For the lines of progress.
        batch: Rows that are computed together; by default `BATCH`.
    """
    batch = batch or BATCH
    array, done = rows.open(), rows.done
    progress = Progress(name, rows.shape[0], done)
    while done < rows.shape[0]:
        end = min(done + batch, rows.shape[0])
        array[done:end] = compute(done, end).reshape(end - done, *rows.shape[1:])
        for _ in range(done, end):
            progress.step(1)
        done = end
        if done % (SAVE_EVERY * batch) == 0 or done == rows.shape[0]:
            rows.save(array, done)
    return array
