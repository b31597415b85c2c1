"""From parsed options to a run of the engine, and from its summary to messages and an exit code."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from imagist.cli.parser import limits
from imagist.engine import Cluster, Interrupted, RunSpec, Style, Summary, Task, estimate, run
from imagist.engine.estimate import SAMPLE
from imagist.engine.summary import Each, Writer
from imagist.engine.tasks import T
from imagist.engine.writer import write
from imagist.errors import OutputError, UsageError
from imagist.images.addresses import is_stored
from imagist.records import Row
from imagist.report.terminal import printable, say


def spec_of(args: argparse.Namespace) -> RunSpec:
    """The run that the options of `add_inputs`, `add_outputs` and `add_speed` ask for, checked.

    Raises:
        UsageError: ``--resume`` without ``--out``.
        OutputError: The output cannot be written, is one of the inputs, or is there already.
    """
    out, parts = _target(args.out)
    spec = RunSpec(
        tuple(args.sources),
        column=args.column,
        images=args.images,
        limits=limits(args),
        out=out,
        parts=parts,
        part_rows=args.part_rows,
        overwrite=args.overwrite,
        update=args.update,
        style=Style(args.columns, args.bom),
        resume=args.resume,
        batch_size=args.batch_size,
        workers=args.workers,
        executor=args.engine,
        cluster=Cluster(args.address, args.actors, args.threads or 1, args.gpus_per_actor or 0.0),
        limit=args.limit,
        sample=args.sample,
        seed=args.sample_seed,
    )
    if args.estimate:
        return replace(spec, out=None, parts=None, executor="local", sample=None, resume=False, update=False)
    spec.check()
    read = (args.captioner_model, getattr(args, "taxonomy", None))
    if spec.out and any(spec.out.resolve() == Path(path).resolve() for path in read if path):
        raise OutputError("is an input, too", item=str(spec.out), remedy="write to another file")
    return spec


def execute(
    args: argparse.Namespace,
    spec: RunSpec,
    task: Task[T] | Callable[[], Task[T]],
    rows: Iterator[Row],
    *,
    each: Each[T] | None = None,
    finish: Callable[[Summary], None] = lambda _: None,
    writer: Writer = write,
) -> int:
    """Runs a task, shows its results, and reports failures on stderr.

    Args:
        args: The parsed options.
        spec: The run.
        task: The work on each image, or what makes it.
        rows: The rows of the run, already opened.
        each: Receives every outcome.
        finish: Called once at the end, also when the run is interrupted.
        writer: Writes the output from the journal.

    Returns:
        0 where every image has a result, 3 where some failed, 130 where the run was interrupted.
    """
    if args.estimate:
        _estimate(args, spec, task, rows)
        return 0
    try:
        summary = run(spec, task, rows=rows, each=each, writer=writer, quiet=args.quiet)
    except Interrupted as stop:
        finish(stop.summary)
        say(f"imagist: {stop}{_how_to_resume(args, spec)}\n")
        return 130
    finish(summary)
    _report(summary, spec, quiet=args.quiet)
    return 3 if summary.failed else 0


def execute_on_ray(
    args: argparse.Namespace, spec: RunSpec, make: Callable[[argparse.Namespace], Task[T]], rows: Iterator[Row]
) -> int:
    """Runs a task on Ray, whose actors make it of the options; returns the exit code of `execute`.

    Args:
        args: The parsed options.
        spec: The run.
        make: The task of a module's top level, by name.
        rows: The rows of the run, already opened.

    Raises:
        UsageError: An option that needs the images in this process.
    """
    for name in ("report", "attention", "sidecar", "cache"):
        if getattr(args, name, None):
            raise UsageError("is not written on Ray", item=f"--{name}", remedy="leave it out, or --engine local")
    theirs = {**vars(args), "threads": spec.cluster.cores, "quiet": True}
    del theirs["run"]  # of the command, which actors do not need
    return execute(args, spec, partial(make, argparse.Namespace(**theirs)), rows)


def _target(out: str | None) -> tuple[Path | None, str | None]:
    """The table, or else the folder of parts, that ``--out`` names."""
    if out is None:
        return None, None
    folder = is_stored(out) or out.endswith(("/", os.sep)) or Path(out).is_dir() or not Path(out).suffix
    return (None, out) if folder else (Path(out), None)


def _estimate(
    args: argparse.Namespace, spec: RunSpec, task: Task[T] | Callable[[], Task[T]], rows: Iterator[Row]
) -> None:
    found = estimate(spec, task if isinstance(task, Task) else task(), size=args.sample or SAMPLE, rows=rows)
    sys.stdout.write("".join(f"{line}\n" for line in found.lines(args.cost_per_hour)))


def _how_to_resume(args: argparse.Namespace, spec: RunSpec) -> str:
    if spec.target is None:
        return ""
    again = [word for word in args.invocation if word != "--resume"]
    return f"; to go on: imagist {shlex.join([*again, '--resume'])}"


def _report(summary: Summary, spec: RunSpec, *, quiet: bool) -> None:
    if not quiet:
        written = f"; wrote {spec.target}" if spec.target else ""
        say(f"imagist: {summary.done:,} inputs, {summary.rate:,.1f} images/s{written}\n")
    if summary.failed:
        lines = [f"imagist: {summary.failed:,} of {summary.done:,} inputs failed:"]
        lines += [f"  {source}: {message}" for source, message in summary.failures]
        if summary.failed > len(summary.failures):
            where = f"; see error_message in {spec.target}" if spec.target else ""
            lines.append(f"  and {summary.failed - len(summary.failures):,} more{where}")
        say("".join(printable(line) + "\n" for line in lines))
