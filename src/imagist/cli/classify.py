"""``imagist classify``: a caption, a category and calibrated probabilities for each image."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import (
    Parser,
    add_categories,
    add_inputs,
    add_model,
    add_outputs,
    add_parts,
    add_scale,
    add_speed,
    fraction,
    positive,
)

if TYPE_CHECKING:
    from imagist.engine import Summary, Task
    from imagist.images.stream import Outcome
    from imagist.records import Prediction, Row


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    add_outputs(parser)
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with images and attention, too")
    parser.add_argument("--top", type=positive, default=1, metavar="K", help="categories to show an image (default: 1)")
    add_model(parser)
    add_parts(parser)
    group = add_categories(parser, crops="the mean of several crops, which suits tall, wide and crowded images")
    group.add_argument(
        "--abstain-below",
        type=fraction,
        default=0.0,
        metavar="P",
        help="assign no category where the highest fused probability is lower (default: 0); in the shipped model the "
        "text classifier has a weight of 0.4 in it, unless --weight says otherwise",
    )
    parser.add_argument(
        "--perceptual-hash",
        action="store_true",
        help="add a column to --out by which `imagist profile` knows near-duplicates, which count once",
    )
    add_speed(parser)
    add_scale(parser)


def task_of(args: argparse.Namespace) -> Task[Prediction]:
    """The work that the options ask for, with a model of its own."""
    from imagist.cli.opening import pipeline_of
    from imagist.engine import classification

    return classification(pipeline_of(args, abstain_below=args.abstain_below), hashes=args.perceptual_hash)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from rich.console import Console

    from imagist.cli.execution import execute, execute_on_ray, spec_of
    from imagist.cli.opening import pipeline_of
    from imagist.engine import classification
    from imagist.engine.spec import RAY
    from imagist.report.console_table import add_prediction, classified_table, show
    from imagist.report.run_page import RunPage
    from imagist.report.shell import check_page

    spec = spec_of(args)
    if args.report:
        check_page(args.report)
    rows = spec.rows()
    if spec.executor == RAY:
        return execute_on_ray(args, spec, task_of, rows)
    pipeline = pipeline_of(args, abstain_below=args.abstain_below)
    weight = getattr(pipeline.fusion, "weight", None)
    titled = partial(RunPage, "Captions and categories", model=pipeline.id, weight=weight, top=max(3, args.top))
    page = titled() if args.report else None
    table = None if spec.target else classified_table(args.top)

    def each(_: int, outcome: Outcome[Row, Prediction]) -> None:
        if page:
            page.add(outcome.source.source, outcome.photo, outcome.result)
        if table:
            add_prediction(table, outcome.source.source, outcome.result, args.top)

    def finish(summary: Summary) -> None:
        if table:
            show(table, Console())
        if page:
            page.write(args.report, earlier=summary.earlier)

    task = classification(pipeline, hashes=args.perceptual_hash)
    return execute(args, spec, task, rows, each=each, finish=finish)
