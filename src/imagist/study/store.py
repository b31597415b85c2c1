"""What a study has computed, on disk, named by everything that it depends on: a rerun costs only what is new."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from imagist import settings
from imagist.arrays import AnyArray
from imagist.errors import DataError, UsageError
from imagist.storage import atomic_write

Arrays = Mapping[str, AnyArray]
Record = TypeVar("Record")


class Store:
    """Arrays and records by key.

    Args:
        folder: Holds one ``.npz`` a key; made where it is not there.

    Attributes:
        computed: How many were computed since it was opened, and not found, by kind.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.computed: Counter[str] = Counter()
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
            self.computed[key.rpartition("-")[0]] += 1
            with atomic_write(path) as scratch, scratch.open("wb") as file:
                np.savez(file, allow_pickle=False, **compute())
        try:
            with path.open("rb") as kept, np.load(kept, allow_pickle=False) as found:  # closed where it is damaged
                return {name: found[name] for name in found.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise _unreadable(path, error) from error

    def record(self, key: str, kind: type[Record], compute: Callable[[], Record]) -> Record:
        """The dataclass of a key, such as an interval: numbers, names and other such dataclasses.

        Raises:
            DataError: It is there and cannot be read.
        """
        found = self.of(key, lambda: {"record": np.array(json.dumps(asdict(compute())))})  # type: ignore[call-overload]
        try:
            return settings.from_table(json.loads(str(found["record"])), kind, key)
        except (KeyError, ValueError, UsageError) as error:
            raise _unreadable(self._path(key), error) from error

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


def key_of(kind: str, *parts: object) -> str:
    """A file's name that differs where any part does.

    Args:
        kind: Heads it, for people.
        parts: What `digest_of` takes.
    """
    return f"{kind}-{digest_of(*parts)}"


def digest_of(*parts: object) -> str:
    """20 letters that differ where any part does, or where one ends and the next begins.

    Args:
        parts: Numbers, names, None; arrays of numbers or of text; mappings, lists and dataclasses of these.
    """
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest.update, part)
    return digest.hexdigest()[:20]


def _feed(update: Callable[[bytes], None], part: object) -> None:
    """What a part is, how much of it there is, then it."""
    if isinstance(part, np.ndarray):
        update(f"array {part.dtype.str} {part.shape} ".encode())
        update(np.ascontiguousarray(part).tobytes())
    elif is_dataclass(part):
        _feed(update, [type(part).__name__, {each.name: getattr(part, each.name) for each in fields(part)}])
    elif isinstance(part, Mapping):
        _feed(update, sorted(part.items()))
    elif isinstance(part, Sequence) and not isinstance(part, (str, bytes)):
        update(f"list {len(part)} ".encode())
        for each in part:
            _feed(update, each)
    else:
        told = repr(part.item() if isinstance(part, np.generic) else part).encode()
        update(b"%d %b " % (len(told), told))


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"cannot be read: {error}", item=str(path), remedy="delete it to compute it anew")
