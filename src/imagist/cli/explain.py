"""``imagist explain``: the words that decided, where they were seen, and what the verdict is without them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_categories, add_inputs, add_model, add_speed, fraction, positive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from imagist.explanation import Curve, ExplainOptions, Explanation
    from imagist.pipeline import Pipeline
    from imagist.records import Failure, Photo

    Explained = tuple[Explanation, Mapping[str, Curve]]

PAGE = "explanation.html"


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    group = parser.add_argument_group("writing")
    group.add_argument(
        "--out",
        type=Path,
        default=Path("explained"),
        metavar="DIR",
        help=f"where a PNG for each image goes, and {PAGE} for all of them (default: explained)",
    )
    group.add_argument("--quiet", action="store_true", help="no progress on stderr, only what went wrong")
    add_model(parser)
    add_categories(parser)
    _add_hiding(parser)
    add_speed(parser)


def _add_hiding(parser: Parser) -> None:
    group = parser.add_argument_group("explaining")
    group.add_argument(
        "--deletion",
        action="store_true",
        help="measure over the images whether explanations are faithful: deletion scores against random orders, and "
        "the words' regions against regions elsewhere; takes about twice as long",
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
        help="what stands where a part is hidden: the image's mean colour, or a blur of the image (default: mean)",
    )
    group.add_argument("--seed", type=int, metavar="N", help="of regions elsewhere and random orders (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from rich.console import Console

    from imagist.cli.job import Job, inputs, pipeline_of, run_job
    from imagist.cli.sheets import make_folder
    from imagist.engine.columns import CLASSIFIED, classified
    from imagist.explanation import faithfulness
    from imagist.records import Failure
    from imagist.report.explanation import ExplanationPage, faithfulness_lines

    options = _options(args)
    found = inputs(args)
    make_folder(args.out, args.sources)
    loaded = pipeline_of(args)
    page, console = ExplanationPage("Why imagist says so", model=loaded.id), Console()
    measured: list[Explained] = []

    def each(number: int, source: str, photo: Photo | None, result: Explained | Failure) -> None:
        explanation = result if isinstance(result, Failure) else result[0]
        page.add(source, photo, explanation)
        _show(console, source, explanation, first=number == 0)
        if photo and not isinstance(result, Failure):
            _draw(args.out, number, source, photo, result[0])
            if args.deletion:
                measured.append(result)

    def finish(_: int) -> None:
        faithful = faithfulness([own for own, _ in measured], [curves for _, curves in measured]) if measured else None
        for line in ["", *faithfulness_lines(faithful)] if faithful else []:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        page.write(args.out / PAGE, faithful)

    def flatten(source: str, result: Explained | Failure) -> dict[str, object]:
        return classified(source, result if isinstance(result, Failure) else result[0].prediction)

    # An image at a time in each lane: its masked copies are what is worked on together.
    own = argparse.Namespace(**{**vars(args), "out": None, "resume": False, "batch_size": 1})
    work = _work(loaded, options, args.deletion)
    code = run_job(own, found, Job(work, CLASSIFIED, flatten, {}, each, finish, loaded.concurrency))
    if not args.quiet:
        sys.stderr.write(f"imagist: wrote {args.out / PAGE} and a PNG for each image beside it\n")
    return code


def _options(args: argparse.Namespace) -> ExplainOptions:
    from imagist.explanation import ExplainOptions

    asked = {name: getattr(args, name) for name in ("grid", "mass", "fill", "seed", "batch_size")}
    return ExplainOptions(**{name: value for name, value in asked.items() if value is not None})


def _work(
    loaded: Pipeline, options: ExplainOptions, deletion: bool
) -> Callable[[Sequence[Photo]], Sequence[Explained]]:
    from imagist.explanation import deletions, explain

    def work(photos: Sequence[Photo]) -> list[Explained]:
        explanations = explain(loaded, photos, options)
        curves = deletions(loaded, photos, explanations, options) if deletion else [{} for _ in photos]
        return list(zip(explanations, curves, strict=True))

    return work


def _draw(folder: Path, number: int, source: str, photo: Photo, explanation: Explanation) -> None:
    from imagist.cli.sheets import sheet_name
    from imagist.report.explanation import explanation_sheet
    from imagist.storage import atomic_write

    with atomic_write(folder / sheet_name(number, source)) as scratch:
        explanation_sheet(photo, explanation).save(scratch, "png")


def _show(console: Console, source: str, result: Explanation | Failure, *, first: bool) -> None:
    """Prints one image: its name, the verdict, and a line for each word; or what went wrong."""
    from rich.text import Text

    from imagist.records import Failure
    from imagist.report.explanation import explanation_lines
    from imagist.report.terminal import printable

    if not first:
        console.print()
    console.print(Text(printable(source), "bold"), soft_wrap=True)
    if isinstance(result, Failure):
        console.print(Text(f"  {printable(f'{result.error.kind}: {result.error.message}')}", "red"), soft_wrap=True)
        return
    for line in explanation_lines(result):
        console.print(Text(f"  {printable(line)}"), soft_wrap=True)
