"""Files in object stores: ``s3://``, ``gs://`` and ``hf://`` addresses, read by ranges and listed folder by folder."""

from __future__ import annotations

import fnmatch
import gzip
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from imagist.errors import MissingExtra, SourceNotFound, UsageError
from imagist.images.addresses import is_stored
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.filesystems import filesystem_of

if TYPE_CHECKING:
    from pyarrow import NativeFile
    from pyarrow.fs import FileSystem

_BUFFER = 1 << 20  # bytes of a range that is asked for at a time
_MAGIC = re.compile(r"[*?\[]")


class StoredFile:
    """A file in an object store, read by ranges; it has what of `pathlib.Path` readers of tables and archives need.

    Args:
        address: Such as ``s3://bucket/shards/0.tar``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._path = PurePosixPath(address.partition("://")[2])
        self.name, self.suffix, self.stem = self._path.name, self._path.suffix, self._path.stem

    def __str__(self) -> str:
        return self._address

    def native(self) -> NativeFile:
        """The file, opened for reading at any place.

        Raises:
            OSError: It cannot be read.
        """
        files, path = filesystem_of(self._address)
        return files.open_input_file(path)

    def open(self, mode: Literal["rb"] = "rb") -> io.BufferedReader:
        """The file, opened for reading bytes, a range of `_BUFFER` at a time.

        Raises:
            OSError: It cannot be read.
        """
        return io.BufferedReader(self.native(), _BUFFER)

    def stat(self) -> os.stat_result:
        """The size of the file, with zeros for all else.

        Raises:
            OSError: It cannot be read.
        """
        with self.native() as file:
            return os.stat_result((0, 0, 0, 0, 0, 0, file.size(), 0, 0, 0))


AnyPath = Path | StoredFile
"""A file on a disk or in an object store."""


def any_path(source: str) -> AnyPath:
    """The file of a path or of an address in an object store."""
    return StoredFile(source) if is_stored(source) else Path(source)


def is_stored_file(address: str) -> bool:
    """Whether there is a file at an address of an object store; False where it cannot be reached."""
    from pyarrow.fs import FileType

    try:
        files, path = filesystem_of(address)
        return bool(files.get_file_info(path).type == FileType.File)
    except (OSError, UsageError, MissingExtra):
        return False


def gunzipped(path: AnyPath) -> gzip.GzipFile:
    """A file packed with gzip, unpacked while it is read."""
    return gzip.GzipFile(path) if isinstance(path, Path) else gzip.GzipFile(fileobj=path.open())


def read_stored(address: str, limits: DecodeLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of an image in an object store, whose size is checked before it is read.

    Raises:
        SourceNotFound: It is not there, or cannot be read.
        ImageTooLarge: Over ``limits.max_bytes``.
    """
    try:
        with StoredFile(address).native() as file:
            limits.check_bytes(file.size(), address)
            return bytes(file.read())
    except OSError as error:
        raise _missing(address, error) from error


def stored_files(address: str) -> Iterator[str]:
    """The addresses of the files that an address names: itself, those in a folder and below, or those of a pattern.

    A folder is listed when it is come to, each by itself, so that memory is bounded by the largest one, and of
    ``gs://`` by all that is listed; sorted by name.

    Raises:
        SourceNotFound: There are none.
    """
    from pyarrow.fs import FileType

    begin = _MAGIC.search(address)
    folder = address if begin is None else address[: begin.start()].rpartition("/")[0]
    files, path = filesystem_of(folder)
    scheme = address.partition("://")[0]
    try:
        info = files.get_file_info(path)
        if info.type == FileType.File and begin is None:
            yield address
            return
        found = _walk(files, path)
        if begin is not None:
            pattern = re.compile(_translated(address.partition("://")[2]))
            found = (each for each in found if pattern.fullmatch(each))
        empty = True
        for each in found:
            empty = False
            yield f"{scheme}://{each}"
    except OSError as error:
        raise _missing(address, error) from error
    if empty:
        problem = "no such object, nor any under it" if begin is None else "matches no object"
        raise SourceNotFound(problem, item=address)


def _walk(files: FileSystem, folder: str) -> Iterator[str]:
    """The paths of the files in a folder and below it, sorted; what is hidden is left out.

    Of Google's stores Arrow lists either all objects below a folder or those in it, without the folders.
    """
    from pyarrow.fs import FileSelector, FileType

    whole = files.type_name == "gcs"
    found = files.get_file_info(FileSelector(folder, allow_not_found=True, recursive=whole))
    for each in sorted(found, key=lambda info: PurePosixPath(info.path).parts):
        if "/." in f"/{each.path.removeprefix(folder).lstrip('/')}":
            continue
        if each.type != FileType.Directory:
            yield str(each.path)
        elif not whole:
            yield from _walk(files, each.path)


def _translated(pattern: str) -> str:
    """A pattern with ``*``, ``?``, ``[...]`` and ``**`` as a regular expression of paths."""
    parts = []
    for part in pattern.split("/"):
        if part == "**":
            parts.append("(?:[^/]+/)*")
        else:
            one = fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*")
            parts.append(f"{one}/")
    return "".join(parts).removesuffix("/")


def _missing(address: str, error: OSError) -> SourceNotFound:
    if isinstance(error, FileNotFoundError):
        return SourceNotFound("no such object", item=address)
    return SourceNotFound(f"cannot be read: {' '.join(str(error).split())}", item=address)
