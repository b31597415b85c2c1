"""``imagist caption``: captions alone, with the n best hypotheses and the attention for each word."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import (
    Parser,
    add_captioner,
    add_inputs,
    add_matcher,
    add_model,
    add_outputs,
    add_scale,
    add_speed,
    positive,
)
from imagist.errors import UsageError

if TYPE_CHECKING:
    from imagist.engine import Summary, Task
    from imagist.engine.sidecars import Sidecars
    from imagist.images.stream import Outcome
    from imagist.protocols import Captioner
    from imagist.records import Caption, Photo, Row


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    add_outputs(parser)
    parser.add_argument("--nbest", type=positive, default=1, metavar="N", help="captions an image (default: 1)")
    parser.add_argument(
        "--attention",
        type=Path,
        metavar="DIR",
        help="draw one sheet an image into DIR: for each word, the image under a map of the captioner's attention",
    )
    parser.add_argument(
        "--sidecar",
        metavar="SUFFIX",
        help="write each caption into a file beside its image, with this suffix in place of the image's, such as .txt",
    )
    parser.add_argument(
        "--existing",
        choices=["skip", "overwrite", "append"],
        help="with --sidecar, where the file is there already: leave the image out, replace the file, or add a line to "
        "it (default: skip)",
    )
    parser.add_argument(
        "--match",
        choices=["score", "rerank"],
        help="score: add the image-text similarity of the caption, a cosine; rerank: choose the hypothesis nearest to "
        "the image as well, with --beam 5 or more",
    )
    add_model(parser)
    add_captioner(parser)
    add_matcher(parser.add_argument_group("matcher"), "captions, with --match")
    add_speed(parser)
    add_scale(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from rich.console import Console

    from imagist.cli.execution import execute, execute_on_ray, spec_of
    from imagist.engine.spec import RAY
    from imagist.records import Failure
    from imagist.report.console_table import add_caption, captioned_table, show
    from imagist.report.sheets import make_folder, sheet_name
    from imagist.report.terminal import say

    sidecars = _sidecars(args)
    spec = spec_of(args)
    rows = spec.rows()
    if spec.executor == RAY:
        return execute_on_ray(args, spec, task_of, rows)
    if args.attention:
        make_folder(args.attention, args.sources)
    rows = sidecars.missing(rows) if sidecars and spec.target is None else rows
    captioner, task = _captioner_and_task(args)
    table = None if spec.target or sidecars else captioned_table()

    def each(number: int, outcome: Outcome[Row, Caption]) -> None:
        source, photo, result = outcome.source.source, outcome.photo, outcome.result
        if args.attention and photo and not isinstance(result, Failure):
            _draw(args.attention / sheet_name(number, source), photo, result)
        if sidecars and not isinstance(result, Failure):
            sidecars.write(outcome.source, result.text)
        if table:
            add_caption(table, source, result)

    def finish(_: Summary) -> None:
        if table:
            show(table, Console())
        if sidecars and not args.quiet:
            say("".join(f"imagist: {line}\n" for line in sidecars.lines()))

    with captioner if isinstance(captioner, AbstractContextManager) else nullcontext():  # a cache closes its file
        code = execute(args, spec, task, rows, each=each, finish=finish)
    return 3 if code == 0 and sidecars and sidecars.refused else code


def task_of(args: argparse.Namespace) -> Task[Caption]:
    """The work that the options ask for, with a model of its own."""
    return _captioner_and_task(args)[1]


def _captioner_and_task(args: argparse.Namespace) -> tuple[Captioner, Task[Caption]]:
    from imagist.cli.opening import captioner_of, matched
    from imagist.engine import captioning

    captioner, concurrency = captioner_of(args, args.nbest)
    if args.match:
        captioner, concurrency = matched(args, captioner, concurrency)
    task = captioning(captioner, nbest=args.nbest, concurrency=concurrency, similarity=bool(args.match))
    return captioner, task


def _sidecars(args: argparse.Namespace) -> Sidecars | None:
    from imagist.engine.sidecars import Sidecars

    if args.sidecar is None:
        if args.existing is not None:
            raise UsageError("is for files beside images", item="--existing", remedy="add --sidecar .txt")
        return None
    return Sidecars(args.sidecar, args.existing or "skip", [*args.sources, *([args.out] if args.out else [])])


def _draw(path: Path, photo: Photo, caption: Caption) -> None:
    from imagist.report.attention import contact_sheet
    from imagist.storage import atomic_write

    if caption.attention is None:
        raise UsageError("this model has no attention to draw", item="--attention")
    with atomic_write(path) as scratch:
        contact_sheet(photo, caption).save(scratch, "png")
