"""``imagist interrogate``: captions with the phrases of tables that fit each image, and how well each does."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.captioning.interrogation.settings import MODES, InterrogationSettings
from imagist.cli.parser import (
    Parser,
    add_captioner,
    add_inputs,
    add_matcher,
    add_model,
    add_outputs,
    add_scale,
    add_speed,
    fraction,
    positive,
    size,
)

if TYPE_CHECKING:
    from imagist.captioning.interrogation.record import Interrogation
    from imagist.engine import Summary, Task
    from imagist.images.stream import Outcome
    from imagist.records import Row


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    add_outputs(parser)
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with images and phrases, too")
    group = parser.add_argument_group("phrases")
    group.add_argument(
        "--mode",
        choices=MODES,
        default="fast",
        help="fast: the nearest phrases; classic: medium, artist, site, movement, flavors; best: one after the other, "
        "each that brings the text nearest to the image; negative: far from the image; tags: phrases alone "
        "(default: fast)",
    )
    group.add_argument(
        "--table",
        action="append",
        metavar="NAME",
        help="embedded, clip-interrogator, a .txt with a phrase a line, or a folder of such files; several times for "
        "several tables (default: embedded)",
    )
    group.add_argument("--max-phrases", type=positive, metavar="N", help="most phrases (default: the mode's)")
    group.add_argument(
        "--min-phrases", type=int, default=8, metavar="N", help="of best and negative: try so many (default: 8)"
    )
    group.add_argument(
        "--candidates", type=positive, default=2048, metavar="N", help="of best and negative: choose from N phrases"
    )
    group.add_argument(
        "--diversity",
        type=fraction,
        default=0.0,
        metavar="D",
        help="leave out phrases whose cosine with one before them is over 1 - D (default: 0, off)",
    )
    group.add_argument("--max-tokens", type=positive, metavar="N", help="most tokens (default: what the matcher reads)")
    group.add_argument(
        "--max-memory", type=size, default=1 << 30, metavar="SIZE", help="of the phrases' embeddings (default: 1G)"
    )
    add_model(parser)
    add_captioner(parser)
    add_matcher(parser.add_argument_group("matcher"), "phrases")
    add_speed(parser)
    add_scale(parser)


def task_of(args: argparse.Namespace) -> Task[Interrogation]:
    """The work that the options ask for, with a model of its own."""
    from imagist.cli.opening import interrogator_of
    from imagist.engine import interrogation

    interrogator, concurrency = interrogator_of(args, _settings(args))
    return interrogation(interrogator, concurrency=concurrency)


def _settings(args: argparse.Namespace) -> InterrogationSettings:
    names = ("mode", "max_phrases", "min_phrases", "candidates", "diversity", "max_tokens")
    return InterrogationSettings(**{name: getattr(args, name) for name in names})


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from rich.console import Console

    from imagist.cli.execution import execute, execute_on_ray, spec_of
    from imagist.cli.opening import interrogator_of
    from imagist.engine import interrogation
    from imagist.engine.spec import RAY
    from imagist.report.blocks import Blocks
    from imagist.report.interrogation import InterrogationPage, lines_of
    from imagist.report.shell import check_page

    settings = _settings(args)
    spec = spec_of(args)
    if args.report:
        check_page(args.report)
    rows = spec.rows()
    if spec.executor == RAY:
        return execute_on_ray(args, spec, task_of, rows)
    interrogator, concurrency = interrogator_of(args, settings)
    page = InterrogationPage("Interrogations", model=interrogator.id) if args.report else None
    blocks = None if spec.target else Blocks(Console())

    def each(_: int, outcome: Outcome[Row, Interrogation]) -> None:
        if page:
            page.add(outcome.source.source, outcome.photo, outcome.result)
        if blocks:
            blocks.add(outcome.source.source, lines_of(outcome.result))

    def finish(summary: Summary) -> None:
        if page:
            page.write(args.report, earlier=summary.earlier)

    task = interrogation(interrogator, concurrency=concurrency)
    captioner = interrogator.captioner
    with captioner if isinstance(captioner, AbstractContextManager) else nullcontext():  # a cache closes its file
        return execute(args, spec, task, rows, each=each, finish=finish)
