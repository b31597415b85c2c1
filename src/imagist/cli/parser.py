"""Arguments: a parser that complains in one line, the kinds of numbers, and the options that commands share."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from imagist.errors import UsageError

if TYPE_CHECKING:
    from imagist.images import DecodeLimits

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

SOURCES = """\
Sources are files, folders (with all below), globs, http(s) addresses, CSV, JSONL or Parquet tables with a column of
paths, addresses or image bytes, WebDataset shards (.tar), or - for a list of any of these on stdin."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where to read on."""

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    if not re.fullmatch(r"0*[1-9]\d*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def over_zero(text: str) -> float:
    """A number over 0."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number over 0")
    return value


def size(text: str) -> int:
    """A number of bytes, 1 or more, such as 500000, 64M or 1GiB; K, M and G are powers of 1024."""
    found = re.fullmatch(r"0*([1-9]\d*)([KMG]?)(?:i?B)?", text, re.ASCII | re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500000 or 64M")
    return int(found[1]) * _UNITS[found[2].upper()]


def add_inputs(parser: Parser) -> None:
    """What to read, and how much of it."""
    parser.epilog = SOURCES
    parser.add_argument("sources", nargs="+", metavar="SOURCES", help="what to read; see below")
    group = parser.add_argument_group("reading")
    group.add_argument("--column", metavar="NAME", help="the column of images in tables (default: found by its name)")
    group.add_argument("--max-bytes", type=size, metavar="SIZE", help="refuse larger files, such as 20M (default: 64M)")
    group.add_argument(
        "--max-megapixels", type=over_zero, metavar="N", help="refuse larger images (default: 100 million pixels)"
    )


def add_outputs(parser: Parser) -> None:
    """Where results go, and how a run that was stopped goes on."""
    group = parser.add_argument_group("writing")
    group.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write a .csv, .jsonl or .parquet table, one row an input, in order, whole or not at all; what is done is "
        "kept in FILE.partial until then (default: a table on stdout)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from FILE.partial of a run that was stopped; if there is none, begin",
    )
    group.add_argument("--quiet", action="store_true", help="no progress on stderr, only what went wrong")


def add_speed(parser: Parser) -> None:
    """How much is done at a time."""
    group = parser.add_argument_group("speed")
    group.add_argument("--batch-size", type=positive, default=32, metavar="N", help="images at a time (default: 32)")
    group.add_argument("--workers", type=positive, default=2, metavar="N", help="threads that decode (default: 2)")
    group.add_argument("--threads", type=positive, metavar="N", help="processor cores for the model (default: all)")


def add_model(parser: Parser) -> None:
    """Which model, and how hard it looks for words."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", default="embedded", metavar="NAME", help="an installed model, or a model folder (default: embedded)"
    )
    group.add_argument(
        "--beam", type=positive, metavar="N", help="hypotheses that the captioner follows (default: the model's own, 3)"
    )


def add_categories(parser: Parser, *, crops: str = "the mean of several crops") -> argparse._ArgumentGroup:
    """Which categories, and what is made of the two opinions; the group, for more.

    Args:
        parser: Of the command.
        crops: What the help says of them.
    """
    group = parser.add_argument_group("categories")
    group.add_argument(
        "--taxonomy",
        default="photos15",
        metavar="NAME",
        help="photos15, sns4, social12, or a TOML file of your own (default: photos15)",
    )
    group.add_argument(
        "--views",
        choices=["square", "letterbox", "crops"],
        default="square",
        help=f"how an image is made square: squashed, padded, or {crops} (default: square)",
    )
    group.add_argument(
        "--weight",
        type=fraction,
        metavar="W",
        help="what the words weigh against the image: 0 the image alone, 1 the words alone (default: the model's)",
    )
    return group


def add_data(parser: argparse.ArgumentParser, config: str) -> None:
    """Where the files are that a configuration, such as a ``recipe``, names."""
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("IMAGIST_DATA"),
        metavar="DIR",
        help=f"where the {config}'s relative paths are looked for (default: IMAGIST_DATA)",
    )


def add_changes(parser: argparse.ArgumentParser, example: str) -> None:
    """Other values than those of the configuration."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help=f"another value, such as {example}"
    )


def data_folder(args: argparse.Namespace) -> Path:
    """What `add_data` was given.

    Raises:
        UsageError: Nothing, and the environment does not say either.
    """
    if args.data is None:
        raise UsageError("name the data folder", item="--data", remedy="or set IMAGIST_DATA")
    return Path(args.data)


def add_captioner(parser: Parser) -> None:
    """Which captioner, and how it chooses its words."""
    group = parser.add_argument_group("captioner")
    group.add_argument(
        "--captioner",
        metavar="KIND",
        help="what --model is: blip, blip2 or git (a checkpoint), recorded (a table of captions), or the name of a "
        "plugin (default: a model of imagist's, by its card)",
    )
    group.add_argument("--lang", metavar="CODE", help="language of the captions, such as de (default: the model's own)")
    group.add_argument(
        "--mbr",
        action=argparse.BooleanOptionalAction,
        help="say what most of the hypotheses say, not what is likeliest; with --beam 5 or more (default: as the model "
        "was judged)",
    )
    group.add_argument(
        "--no-repeat-ngram-size", type=positive, default=0, metavar="N", help="no N words in a row come twice"
    )
    group.add_argument(
        "--top-p", type=fraction, metavar="P", help="draw words from the likeliest that together have this probability"
    )
    group.add_argument("--temperature", type=over_zero, default=1.0, metavar="T", help="of the draw (default: 1)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw, with the image (default: 0)")
    group.add_argument("--device", default="cpu", metavar="NAME", help="where checkpoints run, such as cuda")
    group.add_argument("--cache", type=Path, metavar="FILE", help="remember captions in an SQLite file")


def limits(args: argparse.Namespace) -> DecodeLimits:
    """The bounds on one image that the arguments ask for."""
    from imagist.images import DecodeLimits

    asked = {"max_bytes": args.max_bytes, "max_megapixels": args.max_megapixels}
    return DecodeLimits(**{name: value for name, value in asked.items() if value is not None})
