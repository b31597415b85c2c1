"""WebDataset shards to rows: tar files in which the parts of one sample follow each other and share their key.

A member's key is its path up to the first dot of its name. Members with the suffix of an image become rows; ``.json``
objects of the same key become carried columns, and ``.txt``, ``.cls`` and other JSON one column each, named after the
suffix.
"""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagist.errors import ImageTooLarge, ManifestError
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.formats import has_image_suffix
from imagist.records import Row

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_SIDECARS = ("json", "txt", "cls")
_LARGEST_SIDECAR = 1 << 20
_LARGEST_SAMPLE = 32
_UNREADABLE = (tarfile.TarError, OSError, EOFError, zlib.error)


def is_shard(path: Path) -> bool:
    """Whether the suffix is that of a shard."""
    return path.name.lower().endswith(_SUFFIXES)


def check_shard(path: Path) -> None:
    """Raises ManifestError where nothing can be read from the shard."""
    try:
        with _opened(path):
            pass
    except _UNREADABLE as error:
        raise ManifestError(f"not a readable tar file: {error}", item=str(path)) from error


def shard_rows(path: Path, limits: DecodeLimits = DEFAULT_LIMITS) -> Iterator[Row]:
    """The images of a shard, in order, named ``shard.tar#member``, in constant memory.

    A shard that is damaged on the way gives the rows before the damage, then one with its ``error`` set.
    """
    sample = _Sample(path, "")
    try:
        with _opened(path) as tar:
            for member in tar:
                if not member.isreg():
                    continue
                folder, slash, name = member.name.rpartition("/")
                stem, _, suffix = name.partition(".")
                key = folder + slash + stem
                if key != sample.key or len(sample.images) == _LARGEST_SAMPLE:
                    yield from sample.rows()
                    sample = _Sample(path, key)
                sample.add(tar, member, suffix.lower(), limits)
    except _UNREADABLE as error:
        yield from sample.rows()
        yield Row(str(path), error=ManifestError(f"not a readable tar file: {error}", item=str(path)))
        return
    yield from sample.rows()


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    # tarfile unpacks gzip streams, too, but takes a truncated one for a whole one
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with (
        gzip.GzipFile(path) if packed else path.open("rb") as content,
        tarfile.open(fileobj=content, mode="r|") as tar,
    ):
        yield tar


class _Sample:
    """The members of one key: images and their columns."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.images: list[Row] = []
        self.columns: dict[str, object] = {}

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo, suffix: str, limits: DecodeLimits) -> None:
        if has_image_suffix(member.name):
            name = f"{self.path}#{member.name}"
            try:
                limits.check_bytes(member.size, name)
            except ImageTooLarge as error:
                self.images.append(Row(name, error=error))
            else:
                self.images.append(Row(name, _content(tar, member)))
        elif suffix in _SIDECARS and member.size <= _LARGEST_SIDECAR:
            self.columns |= _columns(suffix, _content(tar, member).decode("utf-8", "replace").strip())

    def rows(self) -> Iterator[Row]:
        for row in self.images:
            yield Row(row.source, row.content, self.columns, row.error)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def _columns(suffix: str, text: str) -> dict[str, object]:
    if suffix == "json":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return {suffix: text}
        return value if isinstance(value, dict) else {suffix: value}
    is_class = suffix == "cls" and text.isdecimal()
    return {suffix: int(text) if is_class else text}
