"""From what a user points at to rows: files, folders, globs, lists, addresses, tables and shards."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from imagist.errors import ManifestError, SourceNotFound, UnknownFormat
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.fetch import is_url
from imagist.images.formats import has_image_suffix, recognise
from imagist.images.manifests import check_manifest, manifest_rows
from imagist.images.shards import check_shard, is_shard, shard_rows
from imagist.images.tables import is_table, open_table
from imagist.records import Row

_STDIN = "-"
_MAGIC_BYTES = 256
_NO_IMAGES = {  # suffixes of files that users give in place of images or tables: what they are, and what to do
    ".txt": ("a text, not an image", "if it lists images, give it on stdin: - < {}"),
    ".gz": ("a packed file, not an image", "unpack it"),
    ".zip": ("a packed file, not an image", "unpack it"),
    ".xls": ("a spreadsheet, not an image", "save it as CSV"),
    ".xlsx": ("a spreadsheet, not an image", "save it as CSV"),
}


def rows(
    sources: Sequence[str],
    *,
    column: str | None = None,
    stdin: TextIO | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
) -> Iterator[Row]:
    """Every input that some sources name, in order, in constant memory; nothing is decoded yet.

    Each source is one of

    - a file: an image, whatever its name;
    - a folder: the images in it and below, sorted by name, known by their suffix in any case, or by their first
      bytes where they have no suffix;
    - a glob, with ``**`` for any depth: the files it matches, sorted (and folders, where there is no ``**``);
    - ``-``: any of these, one a line, on stdin;
    - an http(s) address;
    - a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` table, or a ``.json`` list of objects (see ``manifests``);
    - a WebDataset shard, ``.tar``, ``.tar.gz`` or ``.tgz`` (see ``shards``).

    What names nothing (no such file, a folder without images, a glob without matches), and a text, a spreadsheet or a
    packed file, is one row with its ``error`` set, so that nothing is lost.

    Args:
        sources: What to read.
        column: The column of images in tables; found by its name where it is None.
        stdin: Read for ``-``; the process's own where it is None.
        limits: Members of shards over ``max_bytes`` are not read.

    Raises:
        ManifestError: A table or shard among the sources cannot be used; raised here, before anything is read. One
            that is met only later (in a glob, on stdin) becomes a row instead.
    """
    for source in sources:
        path = Path(source)
        if path.is_file() and is_table(path):
            check_manifest(path, column)
        elif path.is_file() and is_shard(path):
            check_shard(path)
    return (row for source in _listed(sources, stdin) for row in _rows(source, column, limits))


def count(sources: Sequence[str]) -> int | None:
    """How many rows there will be, for a progress bar; None where only reading them would tell."""
    if _STDIN in sources:
        return None
    total = 0
    for path in (path for source in sources for path in _expand(source)):
        length = 1 if isinstance(path, Row) else _length(Path(path))
        if length is None:
            return None
        total += length
    return total


def _length(path: Path) -> int | None:
    if is_shard(path):
        return None
    try:
        return open_table(path).length if is_table(path) else 1
    except ManifestError:
        return 1


def _listed(sources: Iterable[str], stdin: TextIO | None) -> Iterator[str]:
    for source in sources:
        if source == _STDIN:
            yield from (line.rstrip("\r\n") for line in stdin or sys.stdin if line.strip())
        else:
            yield source


def _rows(source: str, column: str | None, limits: DecodeLimits) -> Iterator[Row]:
    for found in _expand(source):
        if isinstance(found, Row):
            yield found
        elif is_shard(Path(found)):
            yield from shard_rows(Path(found), limits)
        elif is_table(Path(found)):
            try:
                yield from manifest_rows(Path(found), column)
            except ManifestError as error:
                yield Row(found, error=error)
        else:
            yield Row(found, error=_unusable(found))


def _unusable(path: str) -> UnknownFormat | None:
    """Why a file that a source names is no image, where its suffix and its first bytes tell."""
    problem, remedy = _NO_IMAGES.get(os.path.splitext(path)[1].lower(), ("", ""))  # noqa: PTH122
    if not problem or not os.path.isfile(path) or _is_recognised(path):  # noqa: PTH113
        return None
    return UnknownFormat(problem, item=path, remedy=remedy.format(path))


def _expand(source: str) -> Iterator[str | Row]:
    """The files of a source; Rows for what is an address, or missing."""
    if is_url(source):
        yield Row(source)
    elif os.path.isdir(source):  # noqa: PTH112  (strings throughout, so that rows are named as the user wrote them)
        yield from _folder(source)
    elif os.path.lexists(source):
        yield source
    elif glob.has_magic(source):
        yield from _glob(source)
    else:
        yield _missing(source, "no such file")


def _glob(pattern: str) -> Iterator[str | Row]:
    matches = sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207
    if "**" in pattern:
        matches = [match for match in matches if not os.path.isdir(match)]  # noqa: PTH112
    for match in matches:
        yield from _expand(match)
    if not matches:
        yield _missing(pattern, "matches no file")


def _folder(folder: str) -> Iterator[str | Row]:
    empty = True
    waiting = [(folder, True)]
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            empty = False
            yield path
            continue
        try:
            with os.scandir(path) as entries:
                found = [(e.path, e.is_dir(follow_symlinks=False)) for e in entries]
        except OSError as error:
            empty = False
            yield _missing(path, f"cannot be listed: {error.strerror}")
            continue
        waiting += sorted((each for each in found if each[1] or _is_image(each[0])), reverse=True)
    if empty:
        yield _missing(folder, "no images in this folder")


def _is_image(path: str) -> bool:
    """By its suffix, or, where it has none (as downloads often have), by its first bytes."""
    if has_image_suffix(path):
        return True
    if os.path.splitext(path)[1] or not os.path.isfile(path):  # noqa: PTH113, PTH122
        return False
    return _is_recognised(path)


def _is_recognised(path: str) -> bool:
    """Whether a file begins like an image."""
    try:
        with Path(path).open("rb") as file:
            return recognise(file.read(_MAGIC_BYTES)) is not None
    except OSError:
        return False


def _missing(source: str, problem: str) -> Row:
    return Row(source, error=SourceNotFound(problem, item=source))
