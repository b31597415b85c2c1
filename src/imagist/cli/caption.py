"""``imagist caption``: captions alone, with the n best hypotheses and the attention for each word."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_captioner, add_inputs, add_model, add_outputs, add_speed, positive
from imagist.errors import UsageError

if TYPE_CHECKING:
    from imagist.engine import Summary
    from imagist.images.stream import Outcome
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
    add_model(parser)
    add_captioner(parser)
    add_speed(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from rich.console import Console

    from imagist.cli.execution import execute, spec_of
    from imagist.cli.opening import captioner_of
    from imagist.engine import captioning
    from imagist.records import Failure
    from imagist.report.console_table import add_caption, captioned_table, show
    from imagist.report.sheets import make_folder, sheet_name

    spec = spec_of(args)
    rows = spec.rows()
    if args.attention:
        make_folder(args.attention, args.sources)
    captioner, concurrency = captioner_of(args, args.nbest)
    table = None if spec.out else captioned_table()

    def each(number: int, outcome: Outcome[Row, Caption]) -> None:
        source, photo, result = outcome.source.source, outcome.photo, outcome.result
        if args.attention and photo and not isinstance(result, Failure):
            _draw(args.attention / sheet_name(number, source), photo, result)
        if table:
            add_caption(table, source, result)

    def finish(_: Summary) -> None:
        if table:
            show(table, Console())

    task = captioning(captioner, nbest=args.nbest, concurrency=concurrency)
    with captioner if isinstance(captioner, AbstractContextManager) else nullcontext():  # a cache closes its file
        return execute(args, spec, task, rows, each=each, finish=finish)


def _draw(path: Path, photo: Photo, caption: Caption) -> None:
    from imagist.report.attention import contact_sheet
    from imagist.storage import atomic_write

    if caption.attention is None:
        raise UsageError("this model has no attention to draw", item="--attention")
    with atomic_write(path) as scratch:
        contact_sheet(photo, caption).save(scratch, "png")
