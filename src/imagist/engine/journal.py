"""The journal of a run: every finished batch is on disk, and a kill loses one batch at most.

The journal of ``x.csv`` is ``x.csv.partial``: a line of JSON with the settings of the run, then the batches, in order:
the number of rows, the number of bytes, and the rows as JSON packed by zlib. The first batch is the dictionary by which
the others are packed, as names of columns and labels recur. An incomplete last batch, left by a kill or a full disk, is
dropped on resume.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from imagist.engine.values import decode, encode
from imagist.errors import OutputError, UsageError
from imagist.records import Row

Record = tuple[dict[str, Any], dict[str, Any]]
"""One finished row: its record, and the columns it carries under their names in the input."""

CHUNK = 1 << 20
"""Bytes of JSON that are in memory at a time while the journal is read, or those of one batch where it has more."""

SYNC_EVERY = 1.0
"""Seconds. Flushing every batch protects from a kill; syncing protects from a power cut and is slower."""

_VERSION = 3
_MAGIC = b'{"imagist journal":%d,' % _VERSION
_BATCH = struct.Struct("<II")  # rows and bytes of a batch
_WINDOW = 1 << 15  # bytes of a dictionary that zlib looks back at


def journal_of(out: Path) -> Path:
    """The path of the journal of an output."""
    return out.with_name(out.name + ".partial")


class Journal:
    """Appends rows to the journal of one output and reads them back.

    Iterating yields the rows in chunks of bounded size, any number of times.

    Args:
        out: The output file of the run.
        settings: All settings that decide the rows, JSON values by name.
        resume: Whether to continue an existing journal.

    Raises:
        UsageError: There is an unfinished run and resume is false, or it had other settings, which the message names.
        OutputError: The journal cannot be written, another run is writing it, or the file is not a journal.
    """

    def __init__(self, out: Path, settings: Mapping[str, object], *, resume: bool) -> None:
        self.path = journal_of(out)
        self._synced = float("-inf")
        self._dictionary = b""
        try:
            self._file: BinaryIO = self.path.open("ab+")
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._begin({"imagist journal": _VERSION, **json.loads(json.dumps(settings))}, resume)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, header: dict[str, Any], resume: bool) -> None:
        lock(self._file, self.path)
        was, self.done, size, self._dictionary = _scan(self._file, self.path)
        if self.done and not resume:
            raise UsageError(
                f"there is an unfinished run, {self.done:,} rows done",
                item=str(self.path),
                remedy="add --resume to continue it, or delete that file to start again",
            )
        if self.done and (changed := changes(was, header)):
            raise UsageError(
                f"the unfinished run had other settings: {changed}",
                item=str(self.path),
                remedy="resume with the settings of that run, or delete that file to start again",
            )
        self._file.truncate(size if self.done else 0)
        if not self.done:
            self._write(_line(header))

    def skip_done(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows after those in the journal; the first rows must equal those of the journal, in the same order.

        Raises:
            UsageError: A row differs from the journal's, or there are fewer rows.
        """
        rows = iter(rows)
        encoded = (line for chunk in self._chunks() for line in chunk)
        for number, (own, carried) in enumerate(encoded, start=1):
            row, was = next(rows, None), decode(own)["source"]
            if row is None:
                fault = f"ended before row {number}, which was {was}"
            elif encode(row.source) != was:
                fault = f"row {number} was {was} and is now {row.source}"
            elif _line(encode(row.columns)) != _line(carried):
                fault = f"row {number}, {was}, carries other columns"
            else:
                continue
            raise UsageError(
                f"the inputs changed since the run began: {fault}",
                item=str(self.path),
                remedy="resume with the inputs of that run, or delete that file to start again",
            )
        yield from rows

    def append(self, rows: Iterable[tuple[Mapping[str, object], Mapping[str, object]]]) -> None:
        """Adds finished rows. Once this returns, a kill cannot lose them.

        Raises:
            OutputError: The journal cannot be written, for example because the disk is full.
        """
        batch = [[encode(own), encode(carried)] for own, carried in rows]
        if not batch:
            return
        content = _line(batch)
        packed = _packed(content, self._dictionary)
        self._write(_BATCH.pack(len(batch), len(packed)) + packed)
        self._dictionary = self._dictionary or content[-_WINDOW:]
        self.done += len(batch)

    def __iter__(self) -> Iterator[list[Record]]:
        return ([(decode(own), decode(carried)) for own, carried in chunk] for chunk in self._chunks())

    def close(self) -> None:
        """Closes the journal, for a later run to resume."""
        with suppress(OSError):  # a full disk was reported when it was written
            self._file.close()

    def remove(self) -> None:
        """Deletes the journal: the output is complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _chunks(self) -> Iterator[list[Any]]:
        with self.path.open("rb") as file:
            file.readline()
            rows, size, dictionary = [], 0, b""
            for _, packed in _batches(file):
                content = _unpacked(packed, dictionary)
                dictionary = dictionary or content[-_WINDOW:]
                rows += json.loads(content)
                size += len(content)
                if size >= CHUNK:
                    yield rows
                    rows, size = [], 0
        if rows:
            yield rows

    def _write(self, content: bytes) -> None:
        try:
            self._file.write(content)
            self._file.flush()
            if time.monotonic() - self._synced > SYNC_EVERY:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"cannot be written: {error.strerror}", item=str(self.path))


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _packed(content: bytes, dictionary: bytes) -> bytes:
    packer = zlib.compressobj(zdict=dictionary)
    return packer.compress(content) + packer.flush()


def _unpacked(packed: bytes, dictionary: bytes) -> bytes:
    return zlib.decompressobj(zdict=dictionary).decompress(packed)


def _batches(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The number of rows and the packed rows of each complete batch."""
    while len(head := file.read(_BATCH.size)) == _BATCH.size:
        rows, length = _BATCH.unpack(head)
        packed = file.read(length)
        if not rows or len(packed) < length:  # no rows: zeros, as a power cut may leave them
            return
        yield rows, packed


def changes(was: Mapping[str, object], now: Mapping[str, object]) -> str:
    """What changed in the settings of a run, as JSON values by name; empty where nothing did."""
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return "; ".join(_change(name, was.get(name), now.get(name)) for name in names)


def _change(name: str, was: object, now: object) -> str:
    """What changed in a setting: of an id such as ``kind-version(a=1,b=2)``, the parts that differ."""
    if isinstance(was, str) and isinstance(now, str):
        (kind, old), (new_kind, new) = _settings_of(was), _settings_of(now)
        if old and kind == new_kind and old.keys() == new.keys():
            changed = [_change(f"{name} {each}", old[each], new[each]) for each in old if old[each] != new[each]]
            return "; ".join(changed)
    return f"{name} was {was!r} and is now {now!r}"


def _settings_of(text: str) -> tuple[str, dict[str, str]]:
    """The kind and the settings of an id such as ``kind-version(a=1,b=2)``; none where it is written otherwise."""
    kind, opening, rest = text.partition("(")
    pairs = [each.partition("=") for each in rest.removesuffix(")").split(",")]
    plain = opening and rest.endswith(")") and "(" not in rest and all(equals for _, equals, _ in pairs)
    return kind, {key: value for key, _, value in pairs} if plain else {}


def _scan(file: BinaryIO, path: Path) -> tuple[dict[str, Any], int, int, bytes]:
    """The settings, the number of complete rows, their size in bytes, and the dictionary of later batches."""
    file.seek(0)
    start = file.read(len(_MAGIC))
    if not _MAGIC.startswith(start):
        raise OutputError(
            "exists and is not the journal of a run", item=str(path), remedy="give the output another name"
        )
    header = start + file.readline()
    if not header.endswith(b"\n"):
        return {}, 0, 0, b""
    rows, size, dictionary = 0, len(header), b""
    for count, packed in _batches(file):
        dictionary = dictionary or _unpacked(packed, b"")[-_WINDOW:]
        rows, size = rows + count, size + _BATCH.size + len(packed)
    return json.loads(header), rows, size, dictionary


def lock(file: BinaryIO, path: Path) -> None:
    """Refuses a journal that another process is writing. The system drops the lock when its holder dies."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError("another run is writing it", item=str(path)) from error
