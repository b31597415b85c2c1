"""``imagist classify``: a caption, a category and an honest probability for each image."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_categories, add_inputs, add_model, add_outputs, add_speed, fraction, positive
from imagist.errors import OutputError

if TYPE_CHECKING:
    from imagist.records import Failure, Photo, Prediction


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    add_outputs(parser)
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with images and attention, too")
    parser.add_argument("--top", type=positive, default=1, metavar="K", help="categories an image to show (default: 1)")
    add_model(parser)
    group = add_categories(parser, crops="the mean of several crops, which suits tall, wide and crowded images")
    group.add_argument(
        "--abstain-below",
        type=fraction,
        default=0.0,
        metavar="P",
        help="name no category where the likeliest has a lower probability (default: 0)",
    )
    add_speed(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from rich.console import Console

    from imagist.cli.job import Job, check_paths, inputs, pipeline_of, run_job
    from imagist.engine.columns import CLASSIFIED, classified
    from imagist.report.console_table import add_prediction, classified_table, show
    from imagist.report.run_page import Page

    check_paths(args)
    if args.report:
        _check_report(args.report)
    found = inputs(args)
    loaded = pipeline_of(args, abstain_below=args.abstain_below)
    page = Page("What imagist sees", model=loaded.id, top=max(3, args.top)) if args.report else None
    table = None if args.out else classified_table(args.top)

    def each(_: int, source: str, photo: Photo | None, result: Prediction | Failure) -> None:
        if page:
            page.add(source, photo, result)
        if table:
            add_prediction(table, source, result, args.top)

    def finish(earlier: int) -> None:
        if table:
            show(table, Console())
        if page:
            page.write(args.report, earlier=earlier)

    settings = {"command": "classify", "pipeline": loaded.id}
    job = Job(loaded.predict, CLASSIFIED, classified, settings, each, finish, loaded.concurrency)
    return run_job(args, found, job)


def _check_report(path: Path) -> None:
    from imagist.storage import check_folder

    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError("a report is a page", item=str(path), remedy="end it in .html")
    check_folder(path)
