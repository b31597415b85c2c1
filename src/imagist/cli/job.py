"""One run of a command over its inputs: rows in, batches through the model, results to a file or to the command."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from imagist.cli.parser import limits
from imagist.cli.progress import Meter
from imagist.engine.columns import Kind
from imagist.engine.journal import Journal, Record
from imagist.engine.writer import check_output, write
from imagist.errors import OutputError, UsageError
from imagist.images import count, rows
from imagist.images.stream import Outcome, Work, run
from imagist.records import Failure, Photo, Row
from imagist.report.terminal import printable

if TYPE_CHECKING:
    from imagist.pipeline import Pipeline

T = TypeVar("T")

LISTED = 10
"""Failures that are named at the end of a run."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """What a command does with each image.

    Attributes:
        work: N photos to N results.
        columns: What it writes for a row.
        flatten: The columns of one row, from its source and its result.
        settings: All that decides what those hold, JSON values by name.
        each: Called for each row, in order, with its number from 0, its source, its photo and its result.
        finish: Called at the end, also of an interrupted run, with the number of rows that an earlier run did.
        concurrency: Batches that the model takes at a time.
    """

    work: Work[T]
    columns: Mapping[str, Kind]
    flatten: Callable[[str, T | Failure], dict[str, object]]
    settings: Mapping[str, object]
    each: Callable[[int, str, Photo | None, T | Failure], None]
    finish: Callable[[int], None]
    concurrency: int = 1


def check_paths(args: argparse.Namespace) -> None:
    """See that results can be written where the arguments say, before anything starts.

    Raises:
        UsageError: ``--resume`` without ``--out``.
        OutputError: The output can not be written, or is one of the inputs.
    """
    if args.out is None:
        if args.resume:
            raise UsageError("--resume continues a file", remedy="name it with --out")
        return
    check_output(args.out)
    if any(args.out.resolve() == Path(source).resolve() for source in args.sources):
        raise OutputError("is an input, too", item=str(args.out), remedy="write to another file")


def inputs(args: argparse.Namespace) -> Iterator[Row]:
    """The rows that the arguments name.

    Raises:
        UsageError: They name nothing at all.
    """
    found = rows(args.sources, column=args.column, limits=limits(args))
    missing: list[Row] = []
    for row in found:
        if row.error is None or row.source not in args.sources:
            return chain(missing, [row], found)
        missing.append(row)
    reasons = "; ".join(str(row.error) for row in missing) or f"no rows in {', '.join(args.sources)}"
    raise UsageError(f"nothing to do: {reasons}")


def pipeline_of(args: argparse.Namespace, **more: Any) -> Pipeline:
    """The pipeline that the arguments ask for.

    Args:
        args: What `imagist.cli.parser.add_model`, ``add_categories`` and ``add_speed`` declare.
        more: Of `imagist.pipeline.load`.

    Raises:
        BundleError: The model cannot be used.
        UsageError: A setting is out of its range, or a name is unknown.
    """
    from imagist import pipeline

    return pipeline.load(
        args.model,
        taxonomy=args.taxonomy,
        views=args.views,
        weight=args.weight,
        beam=args.beam,
        threads=args.threads,
        **more,
    )


def run_job(args: argparse.Namespace, found: Iterator[Row], job: Job[T]) -> int:
    """Works through the inputs, with progress on stderr; writes ``--out`` where it is asked for.

    Returns:
        0 where all went well, 3 where items failed, 130 where it was interrupted: what is done stays in the journal.

    Raises:
        UsageError: There is a journal that this run does not continue.
    """
    journal = _journal(args, job) if args.out else None
    failures = _Failures()
    if journal:
        found = _resumed(journal, found, failures, args)
    earlier = journal.done if journal else 0
    meter = Meter(None if args.quiet else count(args.sources), done=earlier, quiet=args.quiet)
    try:
        with meter:
            for batch in _batches(args, found, job):
                finished = [_finish(number, outcome, job) for number, outcome in enumerate(batch, start=meter.done)]
                if journal:
                    journal.append(finished)
                failures.note(finished)
                meter.advance(len(batch))
        if journal:
            write(args.out, journal, job.columns)
            journal.remove()
        job.finish(earlier)
    except KeyboardInterrupt:
        job.finish(earlier)
        sys.stderr.write(f"imagist: stopped after {meter.done:,} inputs{_how_to_resume(args)}\n")
        return 130
    finally:
        if journal:
            journal.close()
    failures.report(meter, args)
    return 3 if failures.total else 0


def _journal(args: argparse.Namespace, job: Job[T]) -> Journal:
    bounds = limits(args)
    settings = {
        **job.settings,
        "sources": args.sources,
        "column": args.column,
        "max_bytes": bounds.max_bytes,
        "max_megapixels": bounds.max_megapixels,
    }
    return Journal(args.out, settings, resume=args.resume)


def _resumed(journal: Journal, found: Iterator[Row], failures: _Failures, args: argparse.Namespace) -> Iterator[Row]:
    if args.resume and not args.quiet:
        state = f"resuming after {journal.done:,} inputs" if journal.done else "nothing to resume; beginning"
        sys.stderr.write(f"imagist: {state}\n")
    for chunk in journal:
        failures.note(chunk)
    return journal.skip_done(found)


def _batches(args: argparse.Namespace, found: Iterable[Row], job: Job[T]) -> Iterator[list[Outcome[Row, T]]]:
    return run(
        found,
        job.work,
        batch_size=args.batch_size,
        workers=args.workers,
        concurrency=job.concurrency,
        limits=limits(args),
    )


def _finish(number: int, outcome: Outcome[Row, T], job: Job[T]) -> Record:
    row = outcome.source
    job.each(number, row.source, outcome.photo, outcome.result)
    return job.flatten(row.source, outcome.result), dict(row.columns)


def _how_to_resume(args: argparse.Namespace) -> str:
    if args.out is None:
        return ""
    again = [word for word in args.invocation if word != "--resume"]
    return f"; to go on: imagist {shlex.join([*again, '--resume'])}"


class _Failures:
    """Counts the failures of a run and remembers the first few."""

    def __init__(self) -> None:
        self.total = 0
        self._first: list[str] = []

    def note(self, finished: Iterable[Record]) -> None:
        for own, _ in finished:
            if own["error_kind"]:
                self.total += 1
                if len(self._first) < LISTED:
                    self._first.append(f"  {own['source']}: {own['error_message']}")

    def report(self, meter: Meter, args: argparse.Namespace) -> None:
        if not args.quiet:
            written = f"; wrote {args.out}" if args.out else ""
            sys.stderr.write(f"imagist: {meter.done:,} inputs, {meter.rate:,.1f} images/s{written}\n")
        if self.total:
            lines = [f"imagist: {self.total:,} of {meter.done:,} inputs failed:", *self._first]
            if self.total > len(self._first):
                where = f"; see error_message in {args.out}" if args.out else ""
                lines.append(f"  and {self.total - len(self._first):,} more{where}")
            sys.stderr.writelines(printable(line) + "\n" for line in lines)
