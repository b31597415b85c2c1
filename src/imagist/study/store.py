"""Results of long computations on disk. A key contains a hash of all inputs, so a rerun computes only what is new."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from imagist import settings
from imagist.arrays import AnyArray
from imagist.errors import DataError, UsageError
from imagist.storage import atomic_write, digest_of

Arrays = Mapping[str, AnyArray]
Record = TypeVar("Record")


class Store:
    """Stores arrays and records by key.

    Args:
        folder: Holds one ``.npz`` file per key; created if it does not exist.

    Attributes:
        computed: How many entries were computed since it was opened, by kind.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.computed: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)

    def holds(self, key: str) -> bool:
        """Whether a key has an entry."""
        return self._path(key).exists()

    def of(self, key: str, compute: Callable[[], Arrays]) -> Arrays:
        """Returns the arrays of a key, computed if they are not stored yet.

        Raises:
            DataError: The stored file cannot be read.
        """
        path = self._path(key)
        if not path.exists():
            self.computed[key.rpartition("-")[0]] += 1
            with atomic_write(path) as scratch, scratch.open("wb") as file:
                np.savez(file, allow_pickle=False, **compute())
        try:
            with path.open("rb") as kept, np.load(kept, allow_pickle=False) as arrays:  # a damaged file is closed too
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise _unreadable(path, error) from error

    def record(self, key: str, kind: type[Record], compute: Callable[[], Record]) -> Record:
        """Returns the dataclass of a key, such as an interval: its fields are numbers, names or other such dataclasses.

        Raises:
            DataError: The stored file cannot be read.
        """
        kept = self.of(key, lambda: {"record": np.array(json.dumps(asdict(compute())))})  # type: ignore[call-overload]
        try:
            return settings.from_table(json.loads(str(kept["record"])), kind, key)
        except (KeyError, ValueError, UsageError) as error:
            raise _unreadable(self._path(key), error) from error

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


def key_of(kind: str, *parts: object) -> str:
    """Returns a key, which is also a file name: ``KIND-DIGEST``.

    Args:
        kind: For people who read the folder, and for `Store.computed`.
        parts: Everything that the result depends on, as `imagist.storage.digest_of` takes it.
    """
    return f"{kind}-{digest_of(*parts)}"


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"cannot be read: {error}", item=str(path), remedy="delete it to compute it anew")
