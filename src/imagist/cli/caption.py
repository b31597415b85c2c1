"""``imagist caption``: sentences alone, with the runners-up and where the captioner looked for each word."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_captioner, add_inputs, add_model, add_outputs, add_speed, positive
from imagist.errors import UsageError

if TYPE_CHECKING:
    from imagist.protocols import Captioner
    from imagist.records import Caption, Photo


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    add_inputs(parser)
    add_outputs(parser)
    parser.add_argument("--nbest", type=positive, default=1, metavar="N", help="captions an image (default: 1)")
    parser.add_argument(
        "--attention",
        type=Path,
        metavar="DIR",
        help="draw one sheet an image into DIR: for each word, the image under a map of where the captioner looked",
    )
    add_model(parser)
    add_captioner(parser)
    add_speed(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from rich.console import Console

    from imagist.cli.job import Job, check_paths, inputs, run_job
    from imagist.cli.sheets import make_folder, sheet_name
    from imagist.engine.columns import CAPTIONED, captioned
    from imagist.records import Failure
    from imagist.report.console_table import add_caption, captioned_table, show

    check_paths(args)
    found = inputs(args)
    if args.attention:
        make_folder(args.attention, args.sources)
    captioner, concurrency = opened(args)
    table = None if args.out else captioned_table()

    def each(number: int, source: str, photo: Photo | None, result: Caption | Failure) -> None:
        if args.attention and photo and not isinstance(result, Failure):
            _draw(args.attention / sheet_name(number, source), photo, result)
        if table:
            add_caption(table, source, result)

    def finish(_: int) -> None:
        if table:
            show(table, Console())

    settings = {"command": "caption", "captioner": captioner.id, "nbest": args.nbest}
    job = Job(captioner.caption, CAPTIONED, captioned, settings, each, finish, concurrency)
    with captioner if isinstance(captioner, AbstractContextManager) else nullcontext():  # a cache lets go of its file
        return run_job(args, found, job)


def opened(args: argparse.Namespace) -> tuple[Captioner, int]:
    """The captioner that the arguments ask for, and how many batches it takes at a time."""
    from imagist.bundle import open_bundle
    from imagist.captioning.decoding import Decoding
    from imagist.captioning.opening import open_captioner, search_of
    from imagist.captioning.options import CaptionOptions
    from imagist.pipeline import cores

    ours = args.captioner is None  # runs on one thread a batch, several batches at a time
    search = search_of(open_bundle(args.model)) if ours else Decoding()
    decoding = replace(
        search.returning(args.nbest, args.beam), no_repeat_ngram_size=args.no_repeat_ngram_size,
        mbr=search.mbr if args.mbr is None else args.mbr, top_p=args.top_p,
        temperature=args.temperature, seed=args.seed,
    )  # fmt: skip
    threads = args.threads or cores()
    options = CaptionOptions(decoding, language=args.lang, device=args.device, threads=1 if ours else threads)
    return open_captioner(args.model, options, kind=args.captioner, cache=args.cache), threads if ours else 1


def _draw(path: Path, photo: Photo, caption: Caption) -> None:
    from imagist.report.attention import contact_sheet
    from imagist.storage import atomic_write

    if caption.attention is None:
        raise UsageError("this model has no attention to draw", item="--attention")
    with atomic_write(path) as scratch:
        contact_sheet(photo, caption).save(scratch, "png")
