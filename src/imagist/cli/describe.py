"""``imagist describe``: a description of each image, or of a region of it, at a chosen level of detail."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from imagist.cli.parser import (
    Parser,
    add_captioner,
    add_encoder,
    add_inputs,
    add_outputs,
    add_scale,
    add_speed,
    positive,
)

if TYPE_CHECKING:
    from imagist.captioning.description import Box, Description
    from imagist.engine import Summary, Task
    from imagist.images.stream import Outcome
    from imagist.records import Failure, Row

BEAM = 5  # hypotheses; all are kept, because longer descriptions are made from them


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    add_outputs(parser)
    parser.add_argument(
        "--detail",
        type=int,
        choices=range(4),
        default=1,
        help="0 a few words, 1 a sentence, 2 a sentence with attributes and surroundings, 3 a paragraph about several "
        "parts of the image (default: 1)",
    )
    parser.add_argument(
        "--region",
        type=box,
        metavar="X0,Y0,X1,Y1",
        help="describe this region only: left, top, right and bottom as fractions of width and height, such as "
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
        help=f"beam size of the captioner; details 2 and 3 use all its hypotheses (default: {BEAM})",
    )
    add_encoder(group)
    add_captioner(parser)
    add_speed(parser)
    add_scale(parser)


def box(text: str) -> Box:
    """Four fractions, separated by commas.

    Raises:
        UsageError: They are not a box within the image.
    """
    from imagist.captioning.description.record import checked

    try:
        edges = [float(edge) for edge in text.split(",")]
    except ValueError:
        edges = []
    if len(edges) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not X0,Y0,X1,Y1, such as 0,0.5,0.5,1")
    return checked((edges[0], edges[1], edges[2], edges[3]))


def task_of(args: argparse.Namespace) -> Task[Description]:
    """The work that the options ask for, with a model of its own."""
    from imagist.bundle import is_bundle, open_bundle
    from imagist.cli.opening import captioner_of
    from imagist.engine import description
    from imagist.images.encoder import Encoders
    from imagist.matching.opening import MATCHER, open_matcher
    from imagist.protocols import PartOptions

    encoders, matcher = Encoders(), None
    captioner, concurrency = captioner_of(args, args.beam, encoders)
    if args.detail > 1 and is_bundle(args.model) and open_bundle(args.model).has(MATCHER):
        matcher = open_matcher(args.model, PartOptions(encoder=args.encoder, encoders=encoders))
    how: dict[str, Any] = {"detail": args.detail, "region": args.region, "batch_size": args.batch_size}
    return description(captioner, concurrency=concurrency, matcher=matcher, **how)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from rich.console import Console

    from imagist.cli.execution import execute, execute_on_ray, spec_of
    from imagist.engine.spec import RAY
    from imagist.records import Failure
    from imagist.report.blocks import Blocks

    spec = spec_of(args)
    rows = spec.rows()
    if spec.executor == RAY:
        return execute_on_ray(args, spec, task_of, rows)
    task = task_of(args)
    found: list[tuple[str, Description | Failure]] = []

    def each(_: int, outcome: Outcome[Row, Description]) -> None:
        if spec.target is None:
            found.append((outcome.source.source, outcome.result))

    def finish(_: Summary) -> None:
        blocks = Blocks(Console())
        for source, result in found:
            blocks.add(source, result if isinstance(result, Failure) else [result.text])

    return execute(args, spec, task, rows, each=each, finish=finish)
