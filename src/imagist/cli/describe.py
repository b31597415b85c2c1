"""``imagist describe``: each image in as many words as are wanted, or a part of it that one points at."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_captioner, add_inputs, add_outputs, add_speed, positive

if TYPE_CHECKING:
    from rich.console import Console

    from imagist.captioning.description import Box, Description
    from imagist.engine.columns import Kind
    from imagist.records import Failure, Photo

BEAM = 5  # hypotheses: all are kept, for a longer description draws on them

DESCRIBED: dict[str, Kind] = {
    "source": "text",
    "description": "text",
    "sentences": "hypotheses",
    "boxes": "text",
    "error_kind": "text",
    "error_message": "text",
}
"""``boxes``: for each sentence the part of the image that it speaks of, as fractions, in JSON."""


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    add_outputs(parser)
    parser.add_argument(
        "--detail",
        type=int,
        choices=range(4),
        default=1,
        help="0 a few words, 1 a sentence, 2 that with attributes and surroundings, 3 a paragraph that speaks of "
        "several parts (default: 1)",
    )
    parser.add_argument(
        "--region",
        type=box,
        metavar="X0,Y0,X1,Y1",
        help="describe this part alone: left, top, right and bottom as fractions of width and height, such as "
        "0,0.5,0.5,1 for the lower left quarter",
    )
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", default="embedded", metavar="NAME", help="an installed model, or a model folder (default: embedded)"
    )
    group.add_argument(
        "--beam",
        type=positive,
        default=BEAM,
        metavar="N",
        help=f"hypotheses that the captioner follows, and that details 2 and 3 draw on (default: {BEAM})",
    )
    add_captioner(parser)
    add_speed(parser)


def box(text: str) -> Box:
    """Four fractions, parted by commas.

    Raises:
        UsageError: They are no box within the image.
    """
    from imagist.captioning.description.record import checked

    try:
        edges = [float(edge) for edge in text.split(",")]
    except ValueError:
        edges = []
    if len(edges) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not X0,Y0,X1,Y1, such as 0,0.5,0.5,1")
    return checked((edges[0], edges[1], edges[2], edges[3]))


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from collections.abc import Sequence

    from rich.console import Console

    from imagist.captioning.description import describe_all
    from imagist.cli.caption import opened
    from imagist.cli.job import Job, check_paths, inputs, run_job

    check_paths(args)
    found = inputs(args)
    captioner, concurrency = opened(argparse.Namespace(**vars(args), nbest=args.beam))
    blocks: list[tuple[str, Description | Failure]] = []

    def work(photos: Sequence[Photo]) -> list[Description]:
        return describe_all(captioner, photos, detail=args.detail, region=args.region, batch_size=args.batch_size)

    def each(_: int, source: str, photo: Photo | None, result: Description | Failure) -> None:
        if args.out is None:
            blocks.append((source, result))

    def finish(_: int) -> None:
        console = Console()
        for number, (source, result) in enumerate(blocks):
            _show(console, source, result, first=number == 0)

    settings = {"command": "describe", "captioner": captioner.id, "detail": args.detail, "region": args.region}
    return run_job(args, found, Job(work, DESCRIBED, described, settings, each, finish, concurrency))


def described(source: str, result: Description | Failure) -> dict[str, object]:
    """The `DESCRIBED` columns of one row; those without a value are None."""
    from imagist.engine.columns import captioned
    from imagist.records import Failure

    if isinstance(result, Failure):
        failed = captioned(source, result)
        return {name: failed.get(name) for name in DESCRIBED}
    return {
        "source": source,
        "description": result.text,
        "sentences": [{"text": said.text, "logprob": round(said.logprob, 4)} for said in result.sentences],
        "boxes": json.dumps([[round(edge, 4) for edge in said.box] for said in result.sentences]),
        "error_kind": None,
        "error_message": None,
    }


def _show(console: Console, source: str, result: Description | Failure, *, first: bool) -> None:
    """Prints one image: its name, and below it, indented, what is said of it, or what went wrong."""
    from rich.padding import Padding
    from rich.text import Text

    from imagist.records import Failure
    from imagist.report.terminal import printable

    if not first:
        console.print()
    failed = isinstance(result, Failure)
    said = f"{result.error.kind}: {result.error.message}" if isinstance(result, Failure) else result.text
    console.print(Text(printable(source), "bold"), soft_wrap=True)
    text = Text(printable(said), "red" if failed else "")
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, 2)))
    else:
        console.print(Text("  ") + text, soft_wrap=True)
