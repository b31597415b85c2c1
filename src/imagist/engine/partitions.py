"""Partitions: the inputs of a run in pieces that depend on the sources alone, and what of each is still to be done."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from imagist.engine.parts import Part
from imagist.engine.spec import RunSpec
from imagist.engine.values import encode, storable
from imagist.errors import UsageError
from imagist.images import Archive
from imagist.images.stored import any_path
from imagist.records import Row

_SCALARS = (str, int, float, bool)  # of JSON


@dataclass(frozen=True, eq=False)
class Partition:
    """Consecutive inputs of a run, which one worker reads.

    Attributes:
        number: Counted from 0, in the order of the sources.
        digest: Changes with the inputs: their names and columns, or the name and the size of the archive.
        given: The rows; none where the worker reads them from an archive.
        archive: A file of images, whose parts the worker writes one after the other.
        kept: The sources in the archive that have a result already.
    """

    number: int
    digest: str
    given: tuple[Row, ...] = ()
    archive: Archive | None = None
    kept: frozenset[str] = frozenset()

    def rows(self, spec: RunSpec) -> Iterator[Row]:
        """Its rows, in order; those of an archive are read, in constant memory."""
        if self.archive is None:
            return iter(self.given)
        return (row for row in spec.archive_rows(self.archive) if storable(row.source) not in self.kept)


@dataclass(frozen=True, eq=False)
class Job:
    """What of a partition is to be done.

    Attributes:
        partition: Of these inputs.
        update: The number of the update that it belongs to; 0 is the first run.
        skip: Rows at its start that are in parts already.
        part: The number of the next part.
        quarantined: Rows that no worker may touch, by their places in the partition, from 0.
        alone: Places of the rows that are worked on one at a time, because one of them may end the worker.
        tries: How many workers died over it.
    """

    partition: Partition
    update: int = 0
    skip: int = 0
    part: int = 0
    quarantined: frozenset[int] = frozenset()
    alone: range = range(0)
    tries: int = 0


def partitions(rows: Iterable[Row], size: int) -> Iterator[Partition]:
    """Cuts rows into partitions: an archive is one, others are taken together.

    Args:
        rows: The inputs, with archives whole.
        size: Rows of a partition that are not in an archive, at most.
    """
    number, given = 0, list[Row]()
    for row in rows:
        if isinstance(row, Archive):
            if given:
                yield Partition(number, _digest(given), tuple(given))
                number, given = number + 1, []
            yield Partition(number, _digest_of(row), archive=row)
            number += 1
            continue
        given.append(row)
        if len(given) == size:
            yield Partition(number, _digest(given), tuple(given))
            number, given = number + 1, []
    if given:
        yield Partition(number, _digest(given), tuple(given))


def jobs(found: Iterable[Partition], parts: Sequence[Part], update: int, address: str) -> Iterator[Job]:
    """What is to be done, in order: all partitions but those whose parts are there.

    Args:
        found: All partitions.
        parts: Those of this update that an earlier run wrote.
        update: Its number.
        address: The folder of the parts, for errors.

    Raises:
        UsageError: The parts are of other inputs.
    """
    written: defaultdict[int, list[Part]] = defaultdict(list)
    for part in sorted(parts, key=lambda each: each.name):
        written[part.partition].append(part)
    for partition in found:
        done = written.pop(partition.number, [])
        if any(part.digest != partition.digest for part in done):
            raise _changed(address, f"{done[0].name} is of other inputs than these")
        if not done or not done[-1].last:
            yield Job(partition, update, sum(part.rows for part in done), len(done))
    if written:
        raise _changed(address, f"they end before those of {written[min(written)][0].name}")


def after(job: Job, parts: Sequence[Part]) -> Job:
    """The rest of a job of which some parts are written."""
    done = sum(part.rows for part in parts)
    return replace(job, skip=job.skip + done, part=job.part + len(parts))


def _changed(address: str, how: str) -> UsageError:
    remedy = "resume with the inputs of that run, or replace its parts with overwrite (--overwrite)"
    return UsageError(f"the inputs changed since the run began: {how}", item=address, remedy=remedy)


def _digest(rows: Iterable[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        plain = all(value is None or type(value) in _SCALARS for value in row.columns.values())
        columns = dict(row.columns) if plain else encode(row.columns)
        digest.update(json.dumps([storable(row.source), columns]).encode("ascii"))
    return digest.hexdigest()[:20]


def _digest_of(archive: Archive) -> str:
    try:
        size = any_path(archive.source).stat().st_size
    except OSError:
        size = -1
    return hashlib.sha256(
        json.dumps([storable(archive.source), size, archive.begin, archive.end]).encode("ascii")
    ).hexdigest()[:20]
