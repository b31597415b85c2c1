"""One run from rows to a table: read, execute in batches, journal each batch, write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Any

from imagist.engine.executors import executor
from imagist.engine.journal import Journal, Record
from imagist.engine.progress import Meter
from imagist.engine.spec import RunSpec
from imagist.engine.tasks import T, Task
from imagist.engine.writer import write
from imagist.images import count
from imagist.images.stream import Outcome
from imagist.records import Row
from imagist.records.flat import as_record

LISTED = 10  # failures that a summary keeps

Each = Callable[[int, Outcome[Row, T]], None]
"""Called for each row of this run, in order, with its number in the inputs, from 0, and its outcome."""


@dataclass(frozen=True)
class Summary:
    """The counts of a run.

    Attributes:
        done: Rows that are done, those of an earlier run included.
        earlier: Rows of those that an earlier run did.
        failed: Rows of those that have an error.
        failures: Source and message of the first `LISTED` failures.
        rate: Images a second in this run.
    """

    done: int
    earlier: int
    failed: int
    failures: tuple[tuple[str, str], ...]
    rate: float


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run: the batches that are done are in the journal.

    Attributes:
        summary: The counts up to the interruption.
    """

    def __init__(self, summary: Summary) -> None:
        super().__init__(f"stopped after {summary.done:,} inputs")
        self.summary = summary


def run(
    spec: RunSpec,
    task: Task[T],
    *,
    rows: Iterator[Row] | None = None,
    each: Each[T] | None = None,
    quiet: bool = True,
) -> Summary:
    """Works through all rows of a specification.

    Args:
        spec: What to read, where to write, how much at a time.
        task: The work on each image.
        rows: ``spec.rows()``, where they were opened before the model, so that a wrong source fails fast.
        each: Receives every outcome, for a page or a table on a terminal.
        quiet: False shows progress on stderr.

    Raises:
        Interrupted: Ctrl-C. A `KeyboardInterrupt` with the counts so far.
        UsageError: There is nothing to read, or a journal that this run does not continue.
        OutputError: The output cannot be written.
        ImagistError: The task cannot be done at all. The error of a single image is its row's result.
    """
    spec.check()
    found = spec.rows() if rows is None else rows
    journal = Journal(spec.out, {**task.settings, **spec.reading}, resume=spec.resume) if spec.out else None
    with closing(journal) if journal else nullcontext():
        tally = _Tally(journal or ())
        found = journal.skip_done(found) if journal else found
        meter = Meter(None if quiet else count(spec.sources), done=tally.done, resumed=spec.resume, quiet=quiet)
        try:
            with meter:
                for batch in executor(spec.executor)(found, task, spec):
                    finished = [_finish(number, outcome, each) for number, outcome in enumerate(batch, tally.done)]
                    if journal:
                        journal.append(finished)
                    tally.add(finished)
                    meter.advance(len(batch))
            if journal and spec.out:
                write(spec.out, journal, task.columns)
                journal.remove()
        except KeyboardInterrupt:
            raise Interrupted(tally.summary(meter.rate)) from None
    return tally.summary(meter.rate)


def _finish(number: int, outcome: Outcome[Row, Any], each: Each[Any] | None) -> Record:
    if each:
        each(number, outcome)
    return as_record(outcome.source.source, outcome.result), dict(outcome.source.columns)


class _Tally:
    """Counts rows and failures, and keeps the first few failures.

    Args:
        earlier: The rows that an earlier run did, in lists.
    """

    def __init__(self, earlier: Iterable[list[Record]]) -> None:
        self.done = self._failed = 0
        self._failures: list[tuple[str, str]] = []
        for chunk in earlier:
            self.add(chunk)
        self._earlier = self.done

    def add(self, finished: list[Record]) -> None:
        self.done += len(finished)
        for own, _ in finished:
            if own["error_kind"]:
                self._failed += 1
                if len(self._failures) < LISTED:
                    self._failures.append((own["source"], own["error_message"]))

    def summary(self, rate: float) -> Summary:
        return Summary(self.done, self._earlier, self._failed, tuple(self._failures), rate)
