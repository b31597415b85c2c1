"""``imagist explain``: the words and the parts of an image that decided its category."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import (
    Parser,
    add_categories,
    add_inputs,
    add_model,
    add_parts,
    add_speed,
    fraction,
    limits,
    positive,
)

if TYPE_CHECKING:
    from imagist.engine import Summary
    from imagist.engine.tasks import Explained
    from imagist.explanation import ExplainOptions, Explanation
    from imagist.images.stream import Outcome
    from imagist.records import Photo, Row

PAGE = "explanation.html"


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    parser.set_defaults(estimate=False)
    group = parser.add_argument_group("writing")
    group.add_argument(
        "--out",
        type=Path,
        default=Path("explained"),
        metavar="DIR",
        help=f"folder for {PAGE} (default: explained)",
    )
    group.add_argument("--sheets", action="store_true", help="draw a PNG of each image into the folder, too")
    group.add_argument("--quiet", action="store_true", help="no progress on stderr, errors only")
    group.add_argument("--verbose", action="store_true", help="print the change for every word, as the page has it")
    add_model(parser)
    add_parts(parser)
    add_categories(parser)
    _add_hiding(parser)
    add_speed(parser)


def _add_hiding(parser: Parser) -> None:
    group = parser.add_argument_group("explaining")
    group.add_argument(
        "--deletion",
        action="store_true",
        help="measure how faithful the explanations are: deletion scores against random orders, and the regions of "
        "words against regions elsewhere; takes several times as long",
    )
    group.add_argument(
        "--exact",
        action="store_true",
        help="hide each cell of the grid in the image, where otherwise the features of the cell are left out; takes "
        "several times as long",
    )
    group.add_argument(
        "--grid", type=positive, metavar="N", help="cells a side of the grid that is hidden cell by cell (default: 7)"
    )
    group.add_argument(
        "--mass", type=fraction, metavar="P", help="share of a word's attention that its region holds (default: 0.5)"
    )
    group.add_argument(
        "--fill",
        choices=["mean", "blur"],
        help="what replaces a hidden part: the image's mean colour, or a blur of the image (default: mean)",
    )
    group.add_argument("--seed", type=int, metavar="N", help="seed of regions elsewhere and random orders (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from rich.console import Console

    from imagist.cli.execution import execute
    from imagist.cli.opening import pipeline_of
    from imagist.engine import RunSpec, explanation
    from imagist.explanation import faithfulness
    from imagist.records import Failure
    from imagist.report.blocks import Blocks
    from imagist.report.explanation import ExplanationPage, explanation_lines, faithfulness_lines, summary_lines
    from imagist.report.sheets import make_folder
    from imagist.report.terminal import say

    options = _options(args)
    # One image a batch: its masked copies are the batch that the model computes.
    spec = RunSpec(
        tuple(args.sources),
        column=args.column,
        images=args.images,
        limits=limits(args),
        batch_size=1,
        workers=args.workers,
    )
    rows = spec.rows()
    make_folder(args.out, args.sources)
    pipeline = pipeline_of(args)
    page, console = ExplanationPage("Explanations", model=pipeline.id), Console()
    blocks = Blocks(console)
    lines = explanation_lines if args.verbose else summary_lines
    measured: list[Explained] = []

    def each(number: int, outcome: Outcome[Row, Explained]) -> None:
        source, photo, result = outcome.source.source, outcome.photo, outcome.result
        found = result if isinstance(result, Failure) else result.explanation
        page.add(source, photo, found)
        blocks.add(source, found if isinstance(found, Failure) else lines(found))
        if photo and not isinstance(result, Failure):
            if args.sheets:
                _draw(args.out, number, source, photo, result.explanation)
            if args.deletion:
                measured.append(result)

    def finish(_: Summary) -> None:
        faithful = (
            faithfulness([own.explanation for own in measured], [own.curves for own in measured]) if measured else None
        )
        for line in ["", *faithfulness_lines(faithful)] if faithful else []:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        page.write(args.out / PAGE, faithful)

    task = explanation(pipeline, options, deletion=args.deletion)
    code = execute(args, spec, task, rows, each=each, finish=finish)
    if not args.quiet:
        beside = " and a PNG for each image next to it" if args.sheets else ""
        say(f"imagist: wrote {args.out / PAGE}{beside}\n")
    return code


def _options(args: argparse.Namespace) -> ExplainOptions:
    from imagist.explanation import ExplainOptions

    asked = {name: getattr(args, name) for name in ("grid", "mass", "fill", "exact", "seed", "batch_size")}
    return ExplainOptions(**{name: value for name, value in asked.items() if value is not None})


def _draw(folder: Path, number: int, source: str, photo: Photo, explanation: Explanation) -> None:
    from imagist.report.explanation import explanation_sheet
    from imagist.report.sheets import sheet_name
    from imagist.storage import atomic_write

    with atomic_write(folder / sheet_name(number, source)) as scratch:
        explanation_sheet(photo, explanation).save(scratch, "png", compress_level=1)
