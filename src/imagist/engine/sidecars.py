"""Captions as files beside their images: ``cat.jpg`` gets ``cat.txt``, as trainers of image models read them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from imagist.errors import OutputError, UsageError
from imagist.images.addresses import is_data, is_url
from imagist.images.folders import is_image
from imagist.images.formats import has_image_suffix
from imagist.records import Row
from imagist.storage import atomic_write

Existing = Literal["skip", "overwrite", "append"]
"""What is done where a file is there already; ``append`` adds a line at its end."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Sidecars:
    """Writes one file an image, each whole or not at all; an image is never written over.

    Args:
        suffix: Of the files, in place of the image's own, such as ``.txt``.
        existing: What is done where a file is there already.
        inputs: The sources of the run; none of these files is written to.

    Attributes:
        written: Files written.
        skipped: Images whose file was there already.
        refused: How many images got no file, by the reason.

    Raises:
        UsageError: The suffix is none, or that of an image.
    """

    def __init__(self, suffix: str, existing: Existing = "skip", inputs: Sequence[str] = ()) -> None:
        if not _SUFFIX.fullmatch(suffix):
            raise UsageError(f"{suffix!r} is no suffix of a file name", item="--sidecar", remedy="such as .txt")
        if has_image_suffix(f"x{suffix}"):
            raise UsageError(f"{suffix!r} is the suffix of an image", item="--sidecar", remedy="such as .txt")
        self._suffix, self._existing = suffix, existing
        self._inputs = {os.path.realpath(path) for path in inputs}
        self._taken: set[int] = set()  # hashes of the files that images of this run have: millions fit into memory
        self.written = self.skipped = 0
        self.refused: Counter[str] = Counter()

    def missing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows whose image is to be captioned: with ``skip`` those that have no file yet."""
        for row in rows:
            path = self._beside(row) if self._existing == "skip" else None
            if path is not None and path.exists() and not is_image(str(path)):
                self.skipped += 1
            else:
                yield row

    def write(self, row: Row, text: str) -> None:
        """Writes the caption of a row beside its image.

        Raises:
            OutputError: The folder is not writable, or the disk is full.
        """
        path = self._beside(row)
        if path is None:
            self.refused["the image is not a file of its own"] += 1
        elif (key := hash(os.path.realpath(path))) in self._taken:
            self.refused["another image of this name has the file"] += 1
        elif os.path.realpath(path) in self._inputs or is_image(str(path)) or path.is_dir():
            self.refused["the file would replace an image, an input or a folder"] += 1
        elif self._existing == "skip" and path.exists():
            self.skipped += 1
        else:
            self._taken.add(key)
            self._write(path, f"{text}\n".encode())
            self.written += 1

    def _beside(self, row: Row) -> Path | None:
        """The file beside the image of a row; None where the image is no file of its own."""
        if row.content is not None or is_url(row.source) or is_data(row.source) or not Path(row.source).is_file():
            return None
        return Path(row.source).with_suffix(self._suffix)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            before = path.read_bytes() if self._existing == "append" and path.exists() else b""
        except OSError as error:
            raise OutputError(f"cannot be read: {error.strerror}", item=str(path)) from error
        if before and not before.endswith(b"\n"):
            before += b"\n"
        with atomic_write(path) as scratch:
            scratch.write_bytes(before + content)

    def lines(self) -> list[str]:
        """What became of the images, a line each."""
        found = [f"{self.written:,} files written beside their images"]
        found += [f"{self.skipped:,} images skipped: their {self._suffix} was there already"] if self.skipped else []
        return found + [f"{count:,} without a file: {reason}" for reason, count in self.refused.items()]
