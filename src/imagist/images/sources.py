"""From what a user points at to rows: files, folders, globs, lists, addresses, tables and shards."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from imagist.errors import (
    ManifestError,
    MissingExtra,
    OutputError,
    SettingError,
    SourceNotFound,
    UnknownFormat,
    UsageError,
)
from imagist.images.addresses import (
    data_content,
    is_data,
    is_stored,
    is_url,
    local_path,
    not_found,
    not_regular,
    placed,
    shown,
)
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.folders import folder_images, is_image
from imagist.images.formats import ARCHIVES, has_image_suffix
from imagist.images.manifests import check_manifest, images_held, manifest_rows
from imagist.images.notices import notice_of_archives
from imagist.images.shards import check_shard, is_shard, shard_rows
from imagist.images.stdin import names_on
from imagist.images.stored import any_path, is_stored_file, stored_files
from imagist.images.tables import is_table, open_table
from imagist.images.tables.text import Line, lines
from imagist.records import Row

SLICE = 10_000
"""Rows of a Parquet table of images that are an `Archive`."""

_STDIN = "-"
_LISTS = (".txt", ".lst", ".list")
_NO_IMAGES = {  # suffixes of files that users give in place of images or tables: what they are, and what to do
    ".json": ("a JSON object, not an image", "write a list of objects, or one a line in .jsonl"),
    **dict.fromkeys(_LISTS, ("a text, not an image", "if it lists images, name the file itself: {}")),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"), ("a packed file, not an image", "unpack it")),
    **dict.fromkeys((".xls", ".xlsb", ".ods", ".numbers"), ("a spreadsheet, not an image", "save it as CSV or .xlsx")),
}


@dataclass(frozen=True, eq=False)
class Archive(Row):
    """The images of one file that holds their bytes, in place of their rows: an archive, or rows of a Parquet table.

    Attributes:
        begin: The first of these rows, from 0.
        end: The row after the last; None in an archive, which is read as a whole.
    """

    begin: int = 0
    end: int | None = None


def rows(
    sources: Sequence[str],
    *,
    column: str | None = None,
    images: Path | None = None,
    stdin: TextIO | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
    outputs: Sequence[Path] = (),
    whole_archives: bool = False,
) -> Iterator[Row]:
    """Every input that some sources name, in order, in constant memory; nothing is decoded yet.

    Each source is one of

    - a file: an image, whatever its name;
    - a folder: the images in it and below, also through links, sorted by name, known by their suffix in any case, or
      by their first bytes; what is hidden is left out;
    - a glob, with ``**`` for any depth: the files it matches, sorted (and folders, where there is no ``**``);
    - ``-``: any of these, one a line, on stdin;
    - a ``.txt`` list of any of these, one a line; relative paths are looked for in its folder first;
    - an http(s), ``file:`` or ``data:`` address;
    - any of these files, folders and globs in an object store, as an ``s3://``, ``gs://`` or ``hf://`` address (see
      ``stored``), where an image is known by its suffix;
    - a ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx`` table, or a ``.json`` list of objects or of paths,
      texts also with ``.gz`` after that (see ``manifests``);
    - an archive: a WebDataset shard, ``.tar``, ``.tar.gz`` or ``.tgz``, or a ``.zip`` (see ``shards``).

    What names nothing (no such file, a folder without images, a glob without matches), and a spreadsheet or a packed
    file, is one row with its ``error`` set, so that nothing is lost.

    Args:
        sources: What to read.
        column: The column of images in tables; found by its name where it is None.
        images: The folder of relative paths in tables and lists; their own folder where it is None.
        stdin: Read for ``-``; the process's own where it is None.
        limits: Members of shards over ``max_bytes`` are not read.
        outputs: Files that are about to be replaced, and so must not be tables among the sources.
        whole_archives: Whether a file that holds images becomes one `Archive` instead of its rows, for `archive_rows`.

    Raises:
        SettingError: There is no folder ``images``.
        OutputError: One is; raised here for files and globs, and when it is met for names on stdin.
        ManifestError: A table or shard among the sources cannot be used; raised here, before anything is read. One
            that is met only later (in a glob, on stdin) becomes a row instead. Raised by the iterator where stdin is
            an image or a table itself.
    """
    if images is not None and not images.is_dir():
        raise SettingError("no such folder", item=str(images), remedy="name the folder of the images")
    reader = _Reader(column, images, limits, outputs, whole_archives)
    for source in sources:
        reader.check(source)
    return (row for source in _listed(sources, stdin) for row in reader.rows(source))


def archive_rows(
    archive: Archive,
    *,
    column: str | None = None,
    images: Path | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
) -> Iterator[Row]:
    """The rows of the images in a file, with the settings of `rows`."""
    reader = _Reader(column, images, limits, ())
    return reader.rows(archive.source) if archive.end is None else reader.table(archive.source, archive)


def count(sources: Sequence[str]) -> int | None:
    """How many rows there will be, for a progress bar; None where only reading them would tell."""
    if _STDIN in sources or any(map(is_stored, sources)):
        return None
    total = 0
    for path in (path for source in sources for path in _expand(source)):
        length = 1 if isinstance(path, Row) else _length(Path(path))
        if length is None:
            return None
        total += length
    return total


def _length(path: Path) -> int | None:
    if is_shard(path) or _is_list(str(path)):
        return None
    try:
        return open_table(path).length if is_table(path) else 1
    except (ManifestError, MissingExtra):
        return 1


def _listed(sources: Iterable[str], stdin: TextIO | None) -> Iterator[str]:
    for source in sources:
        if source == _STDIN:
            yield from names_on(stdin or sys.stdin)
        else:
            yield source


@dataclass(frozen=True)
class _Reader:
    """Reads sources; see `rows` for the settings."""

    column: str | None
    images: Path | None
    limits: DecodeLimits
    outputs: Sequence[Path]
    whole_archives: bool = False

    def check(self, source: str) -> None:
        """Raises the error of a table or shard that cannot be used, where it can be told before anything is read."""
        path = any_path(source)
        is_file = _is_file(source)
        if is_file and is_table(path):
            self._spare_outputs(source)
            check_manifest(path, self.column)
        elif is_file and is_shard(path):
            check_shard(path)
        elif self.outputs and glob.has_magic(source) and not (is_url(source) or is_data(source) or is_stored(source)):
            for match in glob.iglob(source, recursive=True):  # noqa: PTH207
                self._spare_outputs(match)

    def rows(self, source: str) -> Iterator[Row]:
        """The rows of one source."""
        lists = _has_list_suffix(source)  # what a glob such as data/* matches is no list but a caption, say
        for found in _expand(source):
            if isinstance(found, Row):
                yield found
            elif lists and _is_list(found):
                yield from self._list(found)
            elif self.whole_archives and (archives := self._archives(found)):
                yield from archives
            elif is_shard(any_path(found)):
                yield from shard_rows(any_path(found), self.limits)
            elif is_table(any_path(found)):
                yield from self.table(found)
            else:
                yield Row(found, error=_unusable(found))

    def _archives(self, path: str) -> list[Archive]:
        """The archives in place of a file's rows; none where it holds no images, or cannot be read."""
        if is_shard(any_path(path)):
            return [Archive(path)]
        length = images_held(any_path(path), self.column) if is_table(any_path(path)) else 0
        return [Archive(path, begin=n, end=min(n + SLICE, length)) for n in range(0, length, SLICE)]

    def table(self, path: str, part: Archive | None = None) -> Iterator[Row]:
        """The rows of a table, or of a part of it."""
        self._spare_outputs(path)
        between = (part.begin, part.end) if part and part.end is not None else None
        try:
            yield from manifest_rows(any_path(path), self.column, self.images, between)
        except (ManifestError, MissingExtra) as error:
            yield Row(path, error=error)

    def _list(self, path: str) -> Iterator[Row]:
        self._spare_outputs(path)
        folder = os.path.dirname(path) if self.images is None else str(self.images)  # noqa: PTH120
        for number, line, problem in _lines_of(path):
            numbered, name = f"{path}#{number}" if number else path, line.strip()
            if problem:
                yield Row(numbered, error=ManifestError(problem, item=path))
            elif _has_list_suffix(name):
                yield Row(numbered, error=ManifestError(f"{name} is a list in a list", item=path))
            elif name:
                inside = placed(name, folder)
                is_inside = (
                    self.images is not None or is_stored(inside) or os.path.lexists(inside) or glob.has_magic(name)
                )
                yield from self.rows(inside if is_inside and not is_data(name) else name)

    def _spare_outputs(self, path: str) -> None:
        for output in self.outputs:
            if _is_same(path, output):
                raise OutputError("is an input, too", item=str(output), remedy="write to another file")


def _is_file(source: str) -> bool:
    """Whether a source is a file, on a disk or in an object store."""
    return is_stored_file(source) if is_stored(source) else os.path.isfile(source)  # noqa: PTH113


def _is_same(path: str, other: Path) -> bool:
    """Whether two names are of one file; False where either does not exist."""
    try:
        return os.path.samefile(path, other)  # noqa: PTH121
    except (OSError, ValueError):
        return False


def _has_list_suffix(name: str) -> bool:
    return not is_url(name) and name.lower().removesuffix(".gz").endswith(_LISTS)


def _is_list(path: str) -> bool:
    """Whether a file lists sources; it may be an image in spite of its suffix."""
    return _has_list_suffix(path) and _is_file(path) and not is_image(path)


def _lines_of(path: str) -> Iterator[Line]:
    """The lines of a list; one of number 0 where there are none."""
    try:
        yield from lines(any_path(path))
    except ManifestError as error:
        yield Line(0, "", f"{error.message}; {error.remedy}")
    except OSError as error:
        yield Line(0, "", f"cannot be read: {error.strerror or error}")


def _unusable(path: str) -> UnknownFormat | None:
    """Why a file that a source names is no image, where its suffix and its first bytes tell."""
    problem, remedy = _NO_IMAGES.get(os.path.splitext(path)[1].lower(), ("", ""))  # noqa: PTH122
    if not problem or not os.path.isfile(path) or is_image(path):  # noqa: PTH113
        return None
    return UnknownFormat(problem, item=path, remedy=remedy.format(path))


def _expand(source: str) -> Iterator[str | Row]:
    """The files of a source; Rows for what is an address, or missing."""
    if is_url(source):
        yield Row(source)
        return
    if is_data(source):
        yield Row(shown(source), data_content(source))
        return
    if is_stored(source):
        yield from _stored(source)
        return
    source = local_path(source)
    if os.path.isdir(source):  # noqa: PTH112  (strings throughout, so that rows are named as the user wrote them)
        yield from folder_images(source)
    elif os.path.isfile(source):  # noqa: PTH113
        yield source
    elif os.path.lexists(source):  # a pipe, which may never end, a device, or a link that leads nowhere
        yield Row(source, error=not_regular(source) if os.path.exists(source) else not_found(source))  # noqa: PTH110
    elif glob.has_magic(source):
        yield from _glob(source)
    else:
        yield Row(source, error=not_found(source))


def _stored(address: str) -> Iterator[str | Row]:
    """The files of an address in an object store: of a folder the images, of a pattern all."""
    empty, archives = True, list[str]()
    try:
        for found in stored_files(address):
            if found == address or glob.has_magic(address) or has_image_suffix(found):
                empty = False
                yield found
            elif found.lower().endswith(ARCHIVES):
                archives.append(found)
        notice_of_archives(archives, address)
        if empty:
            yield _missing(address, "no images under this address")
    except (SourceNotFound, UsageError, MissingExtra) as error:
        yield Row(address, error=error)


def _glob(pattern: str) -> Iterator[str | Row]:
    matches = sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207
    if "**" in pattern:
        matches = [match for match in matches if not os.path.isdir(match)]  # noqa: PTH112
    for match in matches:
        yield from _expand(match)
    if not matches:
        yield _missing(pattern, "matches no file")


def _missing(source: str, problem: str) -> Row:
    return Row(source, error=SourceNotFound(problem, item=source))
