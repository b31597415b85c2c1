"""The files in tar and zip archives, one at a time."""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import IO, cast

from imagist.errors import CorruptImage, SourceNotFound
from imagist.images import first_bytes
from imagist.images.stored import AnyPath, gunzipped

_MOST_LINKS = 40  # one after the other, as in Linux
_HEAD = 512  # bytes that tell what an archive is
_IS_UTF8 = 1 << 11  # a flag of a member of a zip archive
_IS_ENCRYPTED = 1


@dataclass(frozen=True)
class Member:
    """A file in an archive; it can be read until the next one is asked for.

    Attributes:
        name: Its path in the archive, with ``/``.
        size: In bytes, as the archive states it; 0 for a link.
        read: Its first bytes, as many as asked for at most. Raises an `ItemError` where this member alone cannot be
            read; errors of the archive otherwise. A link gives the bytes of the file that it leads to.
    """

    name: str
    size: int
    read: Callable[[int], bytes]


def is_zip(path: AnyPath) -> bool:
    """Whether an archive is zip, by its first bytes, or by its suffix where these are not those of a tar file, either.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        kind = first_bytes.kind_of(file.read(_HEAD))
    return kind == first_bytes.ZIP or (
        path.suffix.lower() == ".zip" and kind not in (first_bytes.GZIP, first_bytes.TAR)
    )


def members(path: AnyPath) -> Iterator[Member]:
    """The files and links of an archive, in order, in constant memory.

    Raises:
        OSError, EOFError, TarError, BadZipFile, zlib.error: It cannot be read from there on.
    """
    return _zip_members(path) if is_zip(path) else _tar_members(path)


def _tar_members(path: AnyPath) -> Iterator[Member]:
    with path.open("rb") as file:
        packed = first_bytes.kind_of(file.read(_HEAD)) == first_bytes.GZIP
    # tarfile unpacks gzip streams, too, but takes a truncated one for a whole one
    with (
        closing(_TarLinks(path, packed=packed)) as links,
        gunzipped(path) if packed else path.open("rb") as content,
        tarfile.open(fileobj=content, mode="r|") as tar,
    ):
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # else it keeps all of them
            if member.isreg():
                yield Member(member.name, member.size, _FromStart(tar, member).read)
            elif member.issym() or member.islnk():
                yield Member(member.name, 0, links.reader(member))


class _FromStart:
    """Reads a member of a stream several times from its start, though the stream goes forward only."""

    def __init__(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        self._file = tar.extractfile(member)
        self._begun = b""

    def read(self, length: int) -> bytes:
        if self._file and length > len(self._begun):
            self._begun += self._file.read(length - len(self._begun))
        return self._begun[:length]


class _TarLinks:
    """Reads the files that links of a tar file lead to; in a packed one, jumps back unpack it from its start again.

    Args:
        path: The tar file.
        packed: Whether it is packed with gzip.
    """

    def __init__(self, path: AnyPath, *, packed: bool) -> None:
        self._path, self._packed = path, packed
        self._tar: tarfile.TarFile | None = None
        self._file: IO[bytes] | None = None

    def reader(self, link: tarfile.TarInfo) -> Callable[[int], bytes]:
        def read(length: int) -> bytes:
            try:
                file = self._extracted(link)
                content = file.read(length) if file else None
            except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
                problem = f"a link to {link.linkname}, in an archive that is damaged: {error}"
                raise SourceNotFound(problem, item=link.name, remedy="get it, or pack it, again") from error
            if content is None:
                problem, remedy = f"a link to {link.linkname}, which is not in the archive", "pack that file, too"
                raise SourceNotFound(problem, item=link.name, remedy=remedy)
            return content

        return read

    def _extracted(self, link: tarfile.TarInfo) -> IO[bytes] | None:
        """What a link leads to; None where that is no file of the archive."""
        if self._tar is None:
            self._file = cast("IO[bytes]", gunzipped(self._path) if self._packed else self._path.open("rb"))
            self._tar = tarfile.open(fileobj=self._file, mode="r:")  # noqa: SIM115
        for name in (link.name, link.linkname) if link.islnk() else (link.name,):  # a hard link may precede its file
            with suppress(KeyError, RecursionError):
                return self._tar.extractfile(name)
        return None

    def close(self) -> None:
        for each in (self._tar, self._file):
            if each is not None:
                each.close()


def _zip_members(path: AnyPath) -> Iterator[Member]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            size = 0 if _is_link(member) else member.file_size
            yield Member(_zip_name(member), size, _zip_reader(archive, member))


def _zip_name(member: zipfile.ZipInfo) -> str:
    """The name of a member; UTF-8 also where the archive does not say so, as that of macOS does not."""
    if member.flag_bits & _IS_UTF8 or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _zip_reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def read(length: int) -> bytes:
        try:
            with _opened(archive, member) as file:
                return file.read(length)
        except KeyError as error:
            problem, remedy = f"a link that leads to nothing: {error.args[0]}", "pack that file, too"
            raise SourceNotFound(problem, item=member.filename, remedy=remedy) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            # damaged, compressed by an unknown method, or encrypted
            if member.flag_bits & _IS_ENCRYPTED:
                problem, remedy = "encrypted in the archive", "unpack the archive with its password"
                raise CorruptImage(problem, item=member.filename, remedy=remedy) from error
            problem, remedy = f"cannot be read from the archive: {error}", "get the archive, or pack it, again"
            raise CorruptImage(problem, item=member.filename, remedy=remedy) from error

    return read


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A member, or what it leads to by links.

    Raises:
        KeyError: They lead to nothing.
    """
    for _ in range(_MOST_LINKS):
        if not _is_link(member):
            return archive.open(member)
        target = os.fsdecode(archive.read(member))
        member = archive.getinfo(posixpath.normpath(posixpath.join(posixpath.dirname(member.filename), target)))
    raise KeyError("too many links")


def _is_link(member: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(member.external_attr >> 16)
