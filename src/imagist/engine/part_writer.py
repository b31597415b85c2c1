"""From outcomes to parts: cuts the rows of jobs into parts and writes each when its last outcome is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagist.engine.journal import Record
from imagist.engine.partitions import Job
from imagist.engine.parts import LISTED, Part, PartFolder
from imagist.engine.spec import RunSpec
from imagist.engine.values import decode, encode, storable
from imagist.errors import WorkerDied
from imagist.images.stream import Outcome
from imagist.records import Row
from imagist.records.flat import as_record


@dataclass(frozen=True)
class _Cut:
    """Where a part ends: its job, its number, how many rows it has, and whether its partition ends with it."""

    job: Job
    number: int
    rows: int
    last: bool


class PartWriter:
    """Gives the rows of jobs to an executor, and writes what comes back as parts.

    Args:
        jobs: What is to be done; read a little ahead.
        spec: How rows are read and how many are in a part.
        folder: Of the parts; its run has begun.
    """

    def __init__(self, jobs: Iterable[Job], spec: RunSpec, folder: PartFolder) -> None:
        self._jobs, self._spec, self._folder = jobs, spec, folder
        self._cuts: deque[_Cut] = deque()
        self._finished: list[Record] = []

    def rows(self) -> Iterator[Row]:
        """The rows to be done of all jobs, in order."""
        for job in self._jobs:
            number, count = job.part, 0
            rows = _to_do(job, self._spec)
            row = next(rows, None)
            while row is not None:
                count += 1
                yield row
                row = next(rows, None)
                if row is not None and count == self._spec.part_rows:
                    self._cuts.append(_Cut(job, number, count, last=False))
                    number, count = number + 1, 0
            self._cuts.append(_Cut(job, number, count, last=True))

    def enter(self, batch: Iterable[Outcome[Row, Any]]) -> list[Part]:
        """Takes the outcomes of the next rows; returns the parts that are written now."""
        for outcome in batch:
            own = as_record(storable(outcome.source.source), outcome.result)
            if own["error_message"]:
                own["error_message"] = storable(str(own["error_message"]))
            self._finished.append((own, _plain(outcome.source.columns)))
        return self.write()

    def write(self) -> list[Part]:
        """Writes each part whose outcomes are all there; returns these. To be called at the end, too."""
        written = []
        while self._cuts and len(self._finished) >= self._cuts[0].rows:
            cut = self._cuts.popleft()
            rows, self._finished = self._finished[: cut.rows], self._finished[cut.rows :]
            part = _part(cut, rows, self._folder.run)
            self._folder.write(part, rows)
            written.append(part)
        return written


def _to_do(job: Job, spec: RunSpec) -> Iterator[Row]:
    """The rows of a job, the quarantined ones with their error."""
    for place, row in enumerate(job.partition.rows(spec)):
        if place < job.skip:
            continue
        if place in job.quarantined:
            error = WorkerDied("ended two workers", item=row.source, remedy="look at it apart")
            row = Row(row.source, columns=row.columns, error=error)
        yield row


def _part(cut: _Cut, rows: list[Record], run: str) -> Part:
    partition = cut.job.partition
    failures = [(str(own["source"]), str(own["error_message"])) for own, _ in rows if own["error_kind"]]
    return Part(
        run=run,
        update=cut.job.update,
        partition=partition.number,
        number=cut.number,
        digest=partition.digest,
        rows=len(rows),
        failed=len(failures),
        failures=tuple(failures[:LISTED]),
        last=cut.last,
        archive=partition.archive.source if partition.archive else None,
    )


def _plain(columns: Mapping[str, object]) -> dict[str, Any]:
    """Carried columns as a table can hold them."""
    return {
        storable(name): storable(value) if isinstance(value, str) else decode(encode(value))
        for name, value in columns.items()
    }
