"""Arguments: a parser with one-line errors, types of numbers, and the options that commands share."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from imagist.errors import UsageError
from imagist.report.terminal import say

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from imagist.images import DecodeLimits

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

_TARGETS = ("out", "report", "save", "attention", "cache")

PATIENCE_S = 300.0
"""Longest wait of a run for a host that says when it will answer again, in seconds."""

SOURCES = """\
Sources are files, folders (with all below that is not hidden), globs, http(s) addresses; CSV, TSV, JSONL, JSON or
Parquet tables (texts also with .gz) with a column of paths, addresses, image bytes or lists of these; archives
(WebDataset shards in .tar, .tgz, or .zip); any of these under s3://, gs:// or hf://; and lists of any of these, one a
line, in a .txt or, as -, on stdin."""


class Parser(argparse.ArgumentParser):
    """Reports a wrong call in one line, with a pointer to the help."""

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Writes a message; unlike argparse, a stdout that is full or closed raises OSError."""
        if file is not None and file is sys.stdout:
            file.write(message)
        elif message:
            say(message)

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def check_targets(args: argparse.Namespace) -> None:
    """Refuses ``-``, which is no name of a file, for what is written: tables, pages and models do not go to stdout.

    Raises:
        UsageError: It, or nothing, is the value of an option.
    """
    for option in _TARGETS:
        if (value := getattr(args, option, None)) is not None and str(value) in ("-", ""):
            problem = f"{str(value)!r} names no file or folder to write"
            raise UsageError(problem, item=f"--{option}", remedy="give it a name, such as ./results.csv or ./results/")


def positive(text: str) -> int:
    """An integer, 1 or more."""
    if not re.fullmatch(r"0*[1-9]\d*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of 1 or more")
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
    """Adds the options of reading: sources and limits."""
    parser.epilog = SOURCES
    parser.add_argument("sources", nargs="+", metavar="SOURCES", help="images to read; see below")
    group = parser.add_argument_group("reading")
    group.add_argument("--column", metavar="NAME", help="the column of images in tables (default: found by its name)")
    group.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of relative paths in tables and lists (default: that of the table or list)",
    )
    group.add_argument("--max-bytes", type=size, metavar="SIZE", help="refuse larger files, such as 20M (default: 64M)")
    group.add_argument(
        "--max-megapixels", type=over_zero, metavar="N", help="refuse larger images (default: 100 million pixels)"
    )
    group.add_argument(
        "--requests-per-second",
        type=over_zero,
        metavar="N",
        help="most requests a second to one host of http(s) addresses (default: as many as --workers make); all wait "
        "where a host asks for time",
    )


def add_outputs(parser: Parser) -> None:
    """Adds the options of writing: output, overwrite, update, resume, quiet."""
    group = parser.add_argument_group("writing")
    group.add_argument(
        "--out",
        metavar="FILE",
        help="write a .csv, .jsonl, .parquet or .xlsx table, one row an input, in order; finished rows are in "
        "FILE.partial until the table is complete. Or FOLDER/ or an address such as s3://bucket/folder, for Parquet "
        "parts and a manifest, which suits millions of images (default: a table on stdout)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace FILE where it is already there")
    group.add_argument(
        "--columns",
        choices=("full", "simple"),
        default="full",
        help="simple: a .csv or .xlsx for people, with the source, the columns of the input, then text and rounded "
        "numbers; in .csv, an apostrophe keeps text that begins as a formula from being run (default: full, with every "
        "probability and every text as it is)",
    )
    group.add_argument("--bom", action="store_true", help="begin a .csv with a byte order mark, for Excel")
    group.add_argument(
        "--update",
        action="store_true",
        help="keep the rows of FILE that have a result, and do only those that failed and those that are new, by the "
        "same settings; rows that are no longer inputs follow at the end",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue from FILE.partial, or from the parts in FOLDER/, of a run that was stopped; start if there is "
        "none",
    )
    group.add_argument("--quiet", action="store_true", help="no progress on stderr, errors only")


def add_speed(parser: Parser) -> None:
    """Adds the options of speed: batch size and threads."""
    group = parser.add_argument_group("speed")
    group.add_argument("--batch-size", type=positive, default=32, metavar="N", help="images in a batch (default: 32)")
    group.add_argument("--workers", type=positive, default=2, metavar="N", help="decoding threads (default: 2)")
    group.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="processor cores for the model (default: all; on Ray, 1 for each actor)",
    )


def add_scale(parser: Parser) -> None:
    """Adds the options of archives: samples, estimates, parts and Ray."""
    group = parser.add_argument_group("archives")
    group.add_argument("--limit", type=positive, metavar="N", help="read the first N inputs only")
    group.add_argument("--sample", type=positive, metavar="N", help="draw N of the inputs at random")
    group.add_argument("--sample-seed", type=int, default=0, metavar="N", help="seed of the sample (default: 0)")
    group.add_argument(
        "--estimate",
        action="store_true",
        help="count the inputs, measure speed and memory on a sample of them (default: 200), say what the run would "
        "take, and write nothing",
    )
    group.add_argument(
        "--cost-per-hour", type=over_zero, metavar="PRICE", help="of this machine, in any currency, for --estimate"
    )
    group.add_argument(
        "--part-rows", type=positive, default=1000, metavar="N", help="most rows of a part in FOLDER/ (default: 1000)"
    )
    group.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where the work is done: in this process, or by actors of a Ray cluster, which write FOLDER/ "
        "(default: local)",
    )
    group.add_argument(
        "--address",
        metavar="HOST",
        help="of the Ray cluster, such as auto or ray://head:10001 (default: a new one of this machine's cores)",
    )
    group.add_argument(
        "--actors", type=positive, metavar="N", help="of Ray, each with its own model (default: all that fit)"
    )
    group.add_argument(
        "--gpus-per-actor", type=over_zero, metavar="N", help="GPUs of an actor, such as 0.25 for four on one"
    )


def add_model(parser: Parser) -> None:
    """Adds the options of the model: its name, beam size and encoder."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", default="embedded", metavar="NAME", help="an installed model, or a model folder (default: embedded)"
    )
    group.add_argument(
        "--beam", type=positive, metavar="N", help="beam size of the captioner (default: the model's own, 3)"
    )
    add_encoder(group)


def add_encoder(group: Parser | argparse._ArgumentGroup) -> None:
    """Adds the choice of the encoder."""
    group.add_argument(
        "--encoder",
        metavar="NAME",
        help="lite or embedded, for models that work with both (default: lite where imagist[lite] is installed)",
    )


def add_categories(parser: Parser, *, crops: str = "the mean of several crops") -> argparse._ArgumentGroup:
    """Adds the options of categories and fusion; returns their group, for more options.

    Args:
        parser: The parser of the command.
        crops: The help text of ``--views crops``.
    """
    group = parser.add_argument_group("categories")
    group.add_argument(
        "--taxonomy",
        metavar="NAME",
        help="photos15, sns4, social12, or a TOML file (default: the model's own categories)",
    )
    group.add_argument(
        "--labels",
        metavar="NAMES",
        help="categories of your own, without training: names parted by commas, a .txt of them, one a line, a TOML "
        "file that describes each, or everyday, which ships; needs a matcher, which the embedded model has",
    )
    group.add_argument(
        "--views",
        choices=["square", "letterbox", "crops"],
        default="square",
        help=f"how an image is made square: resized, padded, or {crops} (default: square)",
    )
    group.add_argument(
        "--weight",
        type=fraction,
        metavar="W",
        help="weight of the text classifier in the fusion: 0 image alone, 1 text alone (default: the model's)",
    )
    return group


def add_data(parser: argparse.ArgumentParser, config: str) -> None:
    """Adds the data folder of a configuration, such as a ``recipe``."""
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("IMAGIST_DATA"),
        metavar="DIR",
        help=f"folder of the relative paths in the {config} (default: IMAGIST_DATA)",
    )


def add_changes(parser: argparse.ArgumentParser, example: str) -> None:
    """Adds ``--set``, which replaces values of the configuration."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help=f"replace a value, such as {example}"
    )


def data_folder(args: argparse.Namespace) -> Path:
    """The data folder of `add_data`.

    Raises:
        UsageError: Neither the option nor IMAGIST_DATA is set.
    """
    if args.data is None:
        raise UsageError("name the data folder", item="--data", remedy="or set IMAGIST_DATA")
    return Path(args.data)


def add_parts(parser: Parser) -> None:
    """Adds the options that replace parts of the model by others."""
    group = parser.add_argument_group("parts")
    add_captioner_choice(group)
    for part in ("text-classifier", "image-classifier", "fusion"):
        group.add_argument(
            f"--{part}",
            metavar="PART",
            help=f"{part.replace('-', ' ')}: a model or a folder that has one, or KIND:NAME (default: the model's own)",
        )
    add_matcher(group, "--labels")
    _add_device(group)


def add_matcher(group: argparse._ArgumentGroup, what: str) -> None:
    """Adds the options that replace the matcher.

    Args:
        group: Where to.
        what: What it compares images with.
    """
    group.add_argument(
        "--matcher",
        metavar="KIND",
        help=f"what compares images with {what}: clip or open_clip (checkpoints), with --matcher-model; or a "
        "model or a folder that has a matcher (default: the model's own)",
    )
    group.add_argument(
        "--matcher-model", metavar="NAME", help="what --matcher opens: the name or folder of a checkpoint"
    )


def add_captioner_choice(group: argparse._ArgumentGroup) -> None:
    """Adds the options that replace the captioner."""
    group.add_argument(
        "--captioner",
        metavar="KIND",
        help="blip, blip2, git, vlm (checkpoints), endpoint (a server of chat completions), recorded (a table of "
        "captions), interrogator (captions with phrases: a model or a .toml) or a plugin, with --captioner-model; or a "
        "model or a folder that has a captioner (default: the model's own)",
    )
    group.add_argument(
        "--captioner-model",
        metavar="NAME",
        help="what --captioner opens: the name or folder of a checkpoint, an address, a table (default: blip-base, "
        "blip2-2.7b, git-large-coco, embedded or smolvlm-256m of these kinds)",
    )
    group.add_argument(
        "--captioner-setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of that kind, such as prompt='a photo of'; repeat it for several",
    )


def _add_device(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--device", default="cpu", metavar="NAME", help="device for PyTorch models, such as cuda (default: cpu)"
    )


def add_captioner(parser: Parser) -> None:
    """Adds the options of the captioner and its decoding."""
    group = parser.add_argument_group("captioner")
    add_captioner_choice(group)
    group.add_argument("--lang", metavar="CODE", help="language of the captions, such as de (default: the model's own)")
    group.add_argument(
        "--mbr",
        action=argparse.BooleanOptionalAction,
        help="rerank hypotheses by minimum Bayes risk: choose the one most similar to the others, with --beam 5 or "
        "more (default: the model's own)",
    )
    group.add_argument(
        "--no-repeat-ngram-size",
        type=positive,
        metavar="N",
        help="allow no n-gram of N words twice (default: the model's own)",
    )
    group.add_argument(
        "--top-p",
        type=fraction,
        metavar="P",
        help="sample words from the nucleus of this probability, instead of searching (default: the model's own)",
    )
    group.add_argument(
        "--temperature", type=over_zero, metavar="T", help="temperature of sampling (default: the model's own)"
    )
    group.add_argument("--seed", type=int, metavar="N", help="seed of sampling (default: the model's own)")
    _add_device(group)
    group.add_argument("--cache", type=Path, metavar="FILE", help="cache captions in an SQLite file")


def limits(args: argparse.Namespace) -> DecodeLimits:
    """The limits of one image by the options of `add_inputs`."""
    from imagist.images import DecodeLimits

    asked = {
        "max_bytes": args.max_bytes,
        "max_megapixels": args.max_megapixels,
        "requests_per_s": args.requests_per_second,
        "patience_s": PATIENCE_S,
    }
    return DecodeLimits(**{name: value for name, value in asked.items() if value is not None})
