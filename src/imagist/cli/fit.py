"""``imagist fit``: labelled images to a model that ``imagist classify`` opens."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.parser import Parser, add_captioner_choice, add_changes, fraction, positive
from imagist.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from imagist.training.fit.settings import CaptionerSettings, FitSettings

LABELLED = """\
Labelled images are folders with one folder a label (or with split folders that hold those), or CSV, TSV, JSONL and
Parquet tables with a column of images and one of labels, and, if there are any, captions, splits, accounts and
weights. The weight of an image, a number above 0, is how much it counts in the loss of the linear classifiers and in
calibration; figures count every image once."""


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    parser.epilog = LABELLED
    parser.add_argument("labelled", nargs="*", metavar="LABELLED", help="labelled images; see below")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the model")
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is already there")
    parser.add_argument(
        "--config", type=Path, metavar="FIT.toml", help="settings of the fit: data, parts, folds (default: none)"
    )
    add_changes(parser, "fusion=logit")
    group = parser.add_argument_group("data")
    for name in ("image", "label", "caption", "split", "weight"):
        default = "sample_weight, if there is one" if name == "weight" else "found by its name"
        help_text = f"the column of {name}s in tables (default: {default})"
        group.add_argument(f"--{name}-column", metavar="NAME", help=help_text)
    group.add_argument("--images", type=Path, metavar="DIR", help="folder of the images that a table names")
    group.add_argument("--train", metavar="SPLIT", help="split to learn from (default: train)")
    group.add_argument(
        "--test", metavar="SPLIT", help="split to measure on (default: test, dev or val; cross-validation without one)"
    )
    group = parser.add_argument_group("parts")
    add_captioner_choice(group)
    group.add_argument("--beam", type=positive, metavar="N", help="hypotheses that the captioner follows")
    group.add_argument(
        "--from-names",
        nargs="?",
        const="",
        metavar="FILE",
        help="start both classifiers from the names of the labels, or from the sentences about them in a .toml file: "
        "for one to ten images a label",
    )
    kinds = ["score", "logit", "stacking", "features"]
    group.add_argument("--fusion", choices=kinds, help="kind of fusion (default: score)")
    group.add_argument(
        "--weight",
        type=fraction,
        metavar="W",
        help="weight of the text classifier (default: chosen on held-out images)",
    )
    group.add_argument(
        "--taxonomy",
        action="append",
        metavar="NAME",
        help="categories over the labels, built in or a .toml file, for which the model gets a weight and temperatures "
        "of their own; may be given several times",
    )
    group.add_argument("--cache", type=Path, metavar="FILE", help="keep captions in an SQLite file")
    parser.add_argument("--seed", type=int, metavar="N", help="of folds and training (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from imagist.bundle import check_target

    settings = _settings(args)
    check_target(args.out, overwrite=args.overwrite)
    try:
        from imagist.training.fit.fitting import fit
    except ModuleNotFoundError as error:
        raise MissingExtra(f"fitting needs {error.name}", remedy="pip install 'imagist[fit]'") from error
    from imagist.datasets.labels import read_all
    from imagist.engine.progress import Meter
    from imagist.report.fit import fit_lines, write_fit_report

    items = read_all(settings.sources, check_images=False)
    with Meter(len(items) * max(1, len(settings.encoders)), quiet=args.quiet) as meter:
        result = fit(settings, args.out, items=items, cache=args.cache, advance=meter.advance)
    write_fit_report(result, args.out)
    sys.stdout.write("".join(f"{line}\n" for line in fit_lines(result, args.out)))
    return 3 if result.examples.failed else 0


def _settings(args: argparse.Namespace) -> FitSettings:
    from imagist import settings
    from imagist.datasets.source import Columns, Source
    from imagist.training.fit.settings import FitSettings, FromNames

    found = FitSettings()
    if args.config:
        found = settings.read(args.config, FitSettings, args.set)
    elif args.set:
        raise UsageError("--set changes a configuration", item=args.set[0], remedy="name it with --config")
    columns = Columns(
        args.image_column, args.label_column, args.caption_column, args.split_column, weight=args.weight_column
    )
    if args.labelled:
        images = None if args.images is None else str(args.images)
        sources = tuple(Source(path, images=images, columns=columns) for path in args.labelled)
        found = replace(found, sources=sources)
    if not found.sources:
        raise UsageError("there is nothing to learn from", item="LABELLED", remedy="name labelled images, or --config")
    asked = {name: getattr(args, name) for name in ("train", "test", "fusion", "weight", "seed")}
    found = replace(found, **{name: value for name, value in asked.items() if value is not None})
    if args.taxonomy:
        found = replace(found, taxonomies=tuple(args.taxonomy))
    if args.from_names is not None:
        start = FromNames(labels=args.from_names or None)
        found = replace(found, text_classifier=start, image_classifier=start)
    return replace(found, captioner=_captioner(args, found.captioner))


def _captioner(args: argparse.Namespace, found: CaptionerSettings) -> CaptionerSettings:
    from imagist.cli.opening import captioner_settings, captioner_swap

    if args.captioner == "recorded" and args.captioner_model is None:
        return replace(found, kind="recorded", model=None)  # the captions of the labelled table
    choice = captioner_swap(args)
    if isinstance(choice, tuple):
        found = replace(found, kind=choice[0], model=str(choice[1]))
    elif choice is not None:
        found = replace(found, kind=None, model=str(choice))
    if asked := captioner_settings(args):
        found = replace(found, settings={**found.settings, **asked})
    return found if args.beam is None else replace(found, beam=args.beam)
