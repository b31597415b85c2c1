"""One run from rows to a table: read, execute in batches, journal each batch, write; or to a folder of parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any

from imagist.engine.earlier import Earlier, KeptRow
from imagist.engine.executors import executor
from imagist.engine.folder_run import local_work, run_folder
from imagist.engine.journal import Journal, Record
from imagist.engine.parts import LISTED
from imagist.engine.progress import Meter
from imagist.engine.spec import RAY, RunSpec
from imagist.engine.summary import Each, Interrupted, Summary, Writer
from imagist.engine.tasks import T, Task
from imagist.engine.writer import write
from imagist.images.stream import Outcome
from imagist.records import Row
from imagist.records.flat import as_record

KEPT_AT_ONCE = 1000  # rows kept from an earlier table that are in memory while no other is worked on


def run(
    spec: RunSpec,
    task: Task[T] | Callable[[], Task[T]],
    *,
    rows: Iterator[Row] | None = None,
    each: Each[T] | None = None,
    writer: Writer = write,
    quiet: bool = True,
) -> Summary:
    """Works through all rows of a specification.

    Args:
        spec: What to read, where to write, how much at a time.
        task: The work on each image, or what makes it: on Ray, that is sent to each actor, which makes its own.
        rows: ``spec.rows()``, where they were opened before the model, so that a wrong source fails fast.
        each: Receives every outcome, for a page or a table on a terminal; not on Ray.
        writer: Writes the output from the journal, by default a row an image; the journal is deleted when it returns.
            Not for folders of parts.
        quiet: False shows progress on stderr.

    Raises:
        Interrupted: Ctrl-C. A `KeyboardInterrupt` with the counts so far.
        UsageError: There is nothing to read, or a journal that this run does not continue.
        OutputError: The output cannot be written.
        ImagistError: The task cannot be done at all. The error of a single image is its row's result.
    """
    spec.check()
    found = spec.rows() if rows is None else rows
    if spec.executor == RAY:
        from imagist.engine.ray_actors import Actors

        with Actors(spec, _given(task) if isinstance(task, Task) else task) as actors:
            return run_folder(spec, actors.columns, actors.settings, actors.work, rows=found, quiet=quiet)
    task = task if isinstance(task, Task) else task()
    if spec.parts is not None:
        work = local_work(task, spec, each)
        return run_folder(spec, task.columns, task.settings, work, rows=found, quiet=quiet)
    with ExitStack() as stack:
        earlier = stack.enter_context(closing(Earlier(spec.out, task.columns))) if _updates(spec) and spec.out else None
        journal = Journal(spec.out, {**task.settings, **spec.reading}, resume=spec.resume) if spec.out else None
        stack.enter_context(closing(journal) if journal else nullcontext())
        tally = _Tally(journal or ())
        found = earlier.plan(found) if earlier else found
        found = journal.skip_done(found) if journal else found
        meter = Meter(None if quiet else spec.count(), done=tally.done, resumed=spec.resume, quiet=quiet)
        book = _Book(journal, earlier, tally, meter, each)
        try:
            with meter:
                for batch in executor(spec.executor)(book.to_do(found), task, spec):
                    book.enter(batch)
                book.enter_kept()
            if journal and spec.out:
                writer(spec.out, journal, task.columns, spec.style)
                journal.remove()
        except KeyboardInterrupt:
            raise Interrupted(tally.summary(meter.rate)) from None
    return tally.summary(meter.rate)


def _given(task: Task[T]) -> Callable[[], Task[T]]:
    return lambda: task


def _updates(spec: RunSpec) -> bool:
    return spec.update and spec.out is not None and spec.out.exists()


@dataclass
class _Book:
    """Enters outcomes, and rows that are kept from an earlier table, in the order of the inputs."""

    journal: Journal | None
    earlier: Earlier | None
    tally: _Tally
    meter: Meter
    each: Each[Any] | None
    waiting: deque[Row] = field(default_factory=deque)  # read, in order, and not entered yet
    asked: int = 0  # how many of those are worked on

    def to_do(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows that are not kept."""
        for row in rows:
            if isinstance(row, KeptRow):
                self.waiting.append(row)
                if not self.asked and len(self.waiting) >= KEPT_AT_ONCE:
                    self.enter_kept()
            else:
                self.asked += 1
                self.waiting.append(row)
                yield row

    def enter(self, batch: Iterable[Outcome[Row, Any]]) -> None:
        """Enters the outcomes of the next rows to do, and the kept rows before each."""
        finished: list[Record] = []
        kept = 0
        for outcome in batch:
            kept += self._take_kept(finished)
            self.waiting.popleft()
            self.asked -= 1
            if self.each:
                self.each(self.tally.done + len(finished), outcome)
            own = as_record(outcome.source.source, outcome.result)
            if self.earlier:
                self.earlier.check(own)
            finished.append((own, dict(outcome.source.columns)))
        self._append(finished, kept)

    def enter_kept(self) -> None:
        """Enters the kept rows that are next."""
        finished: list[Record] = []
        self._append(finished, self._take_kept(finished))

    def _take_kept(self, finished: list[Record]) -> int:
        kept = 0
        while self.earlier and self.waiting and isinstance(self.waiting[0], KeptRow):
            finished.append(self.earlier.record(self.waiting[0]))
            self.waiting.popleft()
            kept += 1
        return kept

    def _append(self, finished: list[Record], kept: int) -> None:
        if self.journal:
            self.journal.append(finished)
        self.tally.add(finished, kept)
        self.meter.advance(len(finished), kept)


class _Tally:
    """Counts rows and failures, and keeps the first few failures.

    Args:
        earlier: The rows that an earlier run did, in lists.
    """

    def __init__(self, earlier: Iterable[list[Record]]) -> None:
        self.done = self._failed = self._earlier = 0
        self._failures: list[tuple[str, str]] = []
        for chunk in earlier:
            self.add(chunk)
        self._earlier = self.done

    def add(self, finished: list[Record], kept: int = 0) -> None:
        """Counts rows, of which so many are kept from an earlier table."""
        self.done += len(finished)
        self._earlier += kept
        for own, _ in finished:
            if own["error_kind"]:
                self._failed += 1
                if len(self._failures) < LISTED:
                    self._failures.append((own["source"], own["error_message"]))

    def summary(self, rate: float) -> Summary:
        return Summary(self.done, self._earlier, self._failed, tuple(self._failures), rate)
