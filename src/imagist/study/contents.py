"""Hashes of the files that a study names: keys of its store contain them, so that a changed file is never mistaken."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from imagist.errors import DataError
from imagist.storage import sha256_of


class Contents:
    """Hashes files and folders; each file is read once."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def of(self, name: str | os.PathLike[str]) -> str:
        """The sha256 of a file, or of the names and contents of all files of a folder, as hexadecimal digits.

        A name that is neither, such as that of a published model, is returned unchanged.

        Raises:
            DataError: It cannot be read.
        """
        path = Path(name)
        if path.is_dir():
            files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
            listing = "".join(f"{inside}\0{self._file(files[inside])}\n" for inside in sorted(files))
            return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
        return self._file(path) if path.is_file() else str(name)

    def _file(self, path: Path) -> str:
        if path not in self._known:
            try:
                self._known[path] = sha256_of(path)
            except OSError as error:
                raise DataError(f"cannot be read: {error.strerror or error}", item=str(path)) from error
        return self._known[path]
