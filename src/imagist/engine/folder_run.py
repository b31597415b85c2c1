"""A run into a folder of parts: plan the partitions, work through those that are not there, complete the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any

from imagist.engine.executors import executor
from imagist.engine.part_writer import PartWriter
from imagist.engine.partitions import Job, jobs, partitions
from imagist.engine.parts import LISTED, Part, PartFolder
from imagist.engine.progress import Meter
from imagist.engine.spec import RunSpec
from imagist.engine.summary import Each, Interrupted, Summary
from imagist.engine.tasks import Task
from imagist.engine.update import Results
from imagist.records import Row

Work = Callable[[Iterator[Job], PartFolder, "Progress"], None]
"""Works through jobs, writes their parts into the folder, and reports the progress."""


class Progress:
    """Counts rows and keeps the first failures.

    Args:
        meter: Shows the progress.
        before: Parts that were there.
    """

    def __init__(self, meter: Meter, before: Iterable[Part]) -> None:
        self._meter = meter
        self.done = self.failed = 0
        self.failures: list[tuple[str, str]] = []
        self.enter(before)
        self.earlier = self.done

    def advance(self, rows: int) -> None:
        """Counts rows that are worked through, though their part may not be written yet."""
        self._meter.advance(rows)

    def enter(self, parts: Iterable[Part]) -> None:
        """Counts the rows of parts that are written."""
        for part in parts:
            self.done += part.rows
            self.failed += part.failed
            self.failures += part.failures[: LISTED - len(self.failures)]

    def summary(self, parts: Iterable[Part] | None = None) -> Summary:
        """The counts so far, or those of all parts of the folder with the rows that earlier runs did."""
        if parts is not None:
            earlier, self.done, self.failed, self.failures = self.earlier, 0, 0, []
            self.enter(parts)
            return Summary(self.done, earlier, self.failed, tuple(self.failures), self._meter.rate)
        return Summary(self.done, self.earlier, self.failed, tuple(self.failures), self._meter.rate)


def run_folder(
    spec: RunSpec,
    columns: Mapping[str, Any],
    settings: Mapping[str, object],
    work: Work,
    *,
    rows: Iterator[Row],
    quiet: bool = True,
) -> Summary:
    """Works through all rows of a specification, into its folder of parts.

    Args:
        spec: What to read, where to write, how much at a time.
        columns: Those of the task.
        settings: Those of the task.
        work: The engine.
        rows: Of the specification, archives whole.
        quiet: False shows progress on stderr.

    Raises:
        Interrupted: Ctrl-C; the parts that are written stay.
        UsageError: A folder with a run that this one does not continue.
        OutputError: The folder cannot be written.
    """
    assert spec.parts is not None
    folder = PartFolder(spec.parts, columns)
    with ExitStack() as stack:
        stack.enter_context(folder.lock())
        flags = {"resume": spec.resume, "update": spec.update, "overwrite": spec.overwrite}
        there = folder.begin(settings, spec.reading, **flags)
        mine = [part for part in there if part.update == folder.update]
        earlier = [part for part in there if part.update < folder.update]
        results = stack.enter_context(closing(Results(folder, earlier))) if earlier else None
        plan = partitions(results.to_do(rows) if results else rows, spec.part_rows)
        before = sum(part.rows for part in mine) + sum(part.rows - part.failed for part in earlier)
        meter = Meter(None if quiet else spec.count(), done=before, resumed=spec.resume, quiet=quiet)
        progress = Progress(meter, mine)
        progress.earlier = before
        plan = results.less(plan, (part.partition for part in mine)) if results else plan
        todo = jobs(plan, mine, folder.update, folder.address)
        try:
            with meter:
                work(todo, folder, progress)
            if results:
                results.drop_replaced(folder)
            parts = folder.finish({**settings, **spec.reading})
        except KeyboardInterrupt:
            raise Interrupted(progress.summary()) from None
    return progress.summary(parts)


def local_work(task: Task[Any], spec: RunSpec, each: Each[Any] | None = None) -> Work:
    """The engine of this process: one stream over the rows of all jobs.

    Args:
        task: The work on each image.
        spec: The run.
        each: Receives every outcome.
    """

    def work(todo: Iterator[Job], folder: PartFolder, progress: Progress) -> None:
        writer, number = PartWriter(todo, spec, folder), progress.done
        for batch in executor(spec.executor)(writer.rows(), task, spec):
            if each:
                for outcome in batch:
                    each(number, outcome)
                    number += 1
            progress.enter(writer.enter(batch))
            progress.advance(len(batch))
        progress.enter(writer.write())

    return work
