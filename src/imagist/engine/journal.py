"""The journal of a run: every finished batch is on disk, and a kill loses one batch at most.

The journal of ``x.csv`` is ``x.csv.partial``: JSON lines, first the settings of the run, then one line a row, in order.
An incomplete last line, left by a kill or a full disk, is dropped on resume.
"""

from __future__ import annotations

import json
import os
import sys
import time
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
"""Bytes of the journal that are in memory at a time while it is read."""

SYNC_EVERY = 1.0
"""Seconds. Flushing every batch protects from a kill; syncing protects from a power cut and is slower."""

_MAGIC = b'{"imagist journal":1,'


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
        try:
            self._file: BinaryIO = self.path.open("ab+")
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._begin({"imagist journal": 1, **json.loads(json.dumps(settings))}, resume)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, header: dict[str, Any], resume: bool) -> None:
        _lock(self._file, self.path)
        was, self.done, size = _scan(self._file, self.path)
        if self.done and not resume:
            raise UsageError(
                f"there is an unfinished run, {self.done:,} rows done",
                item=str(self.path),
                remedy="add --resume to continue it, or delete that file to start again",
            )
        if changed := [name for name in {**was, **header} if self.done and was.get(name) != header.get(name)]:
            raise UsageError(
                "the unfinished run had other settings: "
                + "; ".join(f"{name} was {was.get(name)!r} and is now {header.get(name)!r}" for name in changed),
                item=str(self.path),
                remedy="resume with the settings of that run, or delete that file to start again",
            )
        self._file.truncate(size if self.done else 0)
        if not self.done:
            self._write([header])

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
        lines = [[encode(own), encode(carried)] for own, carried in rows]
        self._write(lines)
        self.done += len(lines)

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
            while lines := file.readlines(CHUNK):
                yield [json.loads(line) for line in lines]

    def _write(self, lines: Iterable[object]) -> None:
        try:
            self._file.write(b"".join(map(_line, lines)))
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


def _scan(file: BinaryIO, path: Path) -> tuple[dict[str, Any], int, int]:
    """The settings, and the number of complete rows and their size in bytes; a torn line ends without a newline."""
    file.seek(0)
    start = file.read(len(_MAGIC))
    if not _MAGIC.startswith(start):
        raise OutputError(
            "exists and is not the journal of a run", item=str(path), remedy="give the output another name"
        )
    header = start + file.readline()
    if not header.endswith(b"\n"):
        return {}, 0, 0
    rows, size = 0, len(header)
    for line in file:
        if not line.endswith(b"]\n"):
            break
        rows, size = rows + 1, size + len(line)
    return json.loads(header), rows, size


def _lock(file: BinaryIO, path: Path) -> None:
    """Refuses a journal that another process is writing. The system drops the lock when its holder dies."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError("another run is writing it", item=str(path)) from error
