"""What a study has computed, on disk, named by everything that it depends on: a rerun costs only what is new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from imagist.errors import DataError
from imagist.report.files import replacing

Arrays = Mapping[str, NDArray[Any]]


class Store:
    """Arrays by key.

    Args:
        folder: Holds one ``.npz`` a key; made where it is not there.

    Attributes:
        computed: How many were computed since it was opened, and not found.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.computed = 0
        folder.mkdir(parents=True, exist_ok=True)

    def holds(self, key: str) -> bool:
        """Whether a result is there."""
        return self._path(key).exists()

    def of(self, key: str, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a key, computed where they are not there yet.

        Raises:
            DataError: They are there and cannot be read.
        """
        path = self._path(key)
        if not path.exists():
            self.computed += 1
            with replacing(path) as scratch, scratch.open("wb") as file:
                np.savez(file, allow_pickle=False, **compute())
        try:
            with path.open("rb") as kept, np.load(kept, allow_pickle=False) as found:  # closed where it is damaged
                return {name: found[name] for name in found.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise DataError(
                f"cannot be read: {error}", item=str(path), remedy="delete it to compute it anew"
            ) from error

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


def key_of(kind: str, *parts: object) -> str:
    """A file's name that differs where any part does.

    Args:
        kind: Heads it, for people.
        parts: Whatever JSON can hold, arrays, and dataclasses by what they say of themselves.
    """
    digest = hashlib.sha256()
    for part in parts:
        content = (
            part.tobytes() if isinstance(part, np.ndarray) else json.dumps(part, sort_keys=True, default=repr).encode()
        )
        digest.update(len(content).to_bytes(8, "big") + content)
    return f"{kind}-{digest.hexdigest()[:20]}"
