"""From parsed options to a run of the engine, and from its summary to messages and an exit code."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from imagist.cli.parser import limits
from imagist.engine import Interrupted, RunSpec, Style, Summary, Task, run
from imagist.engine.run import Each
from imagist.engine.tasks import T
from imagist.errors import OutputError
from imagist.records import Row
from imagist.report.terminal import printable, say


def spec_of(args: argparse.Namespace) -> RunSpec:
    """The run that the options of `add_inputs`, `add_outputs` and `add_speed` ask for, checked.

    Raises:
        UsageError: ``--resume`` without ``--out``.
        OutputError: The output cannot be written, is one of the inputs, or is there already.
    """
    spec = RunSpec(
        tuple(args.sources),
        column=args.column,
        images=args.images,
        limits=limits(args),
        out=args.out,
        overwrite=args.overwrite,
        update=args.update,
        style=Style(args.columns, args.bom),
        resume=args.resume,
        batch_size=args.batch_size,
        workers=args.workers,
    )
    spec.check()
    read = (args.captioner_model, getattr(args, "taxonomy", None))
    if spec.out and any(spec.out.resolve() == Path(path).resolve() for path in read if path):
        raise OutputError("is an input, too", item=str(spec.out), remedy="write to another file")
    return spec


def execute(
    args: argparse.Namespace,
    spec: RunSpec,
    task: Task[T],
    rows: Iterator[Row],
    *,
    each: Each[T],
    finish: Callable[[Summary], None],
) -> int:
    """Runs a task, shows its results, and reports failures on stderr.

    Args:
        args: The parsed options.
        spec: The run.
        task: The work on each image.
        rows: The rows of the run, already opened.
        each: Receives every outcome.
        finish: Called once at the end, also when the run is interrupted.

    Returns:
        0 where every image has a result, 3 where some failed, 130 where the run was interrupted.
    """
    try:
        summary = run(spec, task, rows=rows, each=each, quiet=args.quiet)
    except Interrupted as stop:
        finish(stop.summary)
        say(f"imagist: {stop}{_how_to_resume(args, spec)}\n")
        return 130
    finish(summary)
    _report(summary, spec, quiet=args.quiet)
    return 3 if summary.failed else 0


def _how_to_resume(args: argparse.Namespace, spec: RunSpec) -> str:
    if spec.out is None:
        return ""
    again = [word for word in args.invocation if word != "--resume"]
    return f"; to go on: imagist {shlex.join([*again, '--resume'])}"


def _report(summary: Summary, spec: RunSpec, *, quiet: bool) -> None:
    if not quiet:
        written = f"; wrote {spec.out}" if spec.out else ""
        say(f"imagist: {summary.done:,} inputs, {summary.rate:,.1f} images/s{written}\n")
    if summary.failed:
        lines = [f"imagist: {summary.failed:,} of {summary.done:,} inputs failed:"]
        lines += [f"  {source}: {message}" for source, message in summary.failures]
        if summary.failed > len(summary.failures):
            where = f"; see error_message in {spec.out}" if spec.out else ""
            lines.append(f"  and {summary.failed - len(summary.failures):,} more{where}")
        say("".join(printable(line) + "\n" for line in lines))
