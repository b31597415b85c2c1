"""``imagist evaluate``: caption metrics with intervals, two captioners compared, and ways to profile accounts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.cli.evaluate_accounts import add_accounts
from imagist.cli.parser import Parser, positive
from imagist.errors import OutputError, UsageError

if TYPE_CHECKING:
    from imagist.datasets.captions import Record
    from imagist.metrics.evaluation import Measured
    from imagist.metrics.pairing import Paired

_FILES = """\
PREDICTIONS is what imagist caption --out writes, or any CSV, JSONL or Parquet with the columns source and caption,
COCO's results (a JSON list of image_id and caption), or a .txt of one caption a line. REFERENCES is COCO captions,
Karpathy's JSON, a token file of Flickr8k, or a CSV, JSONL or Parquet of images and captions.

BLEU, ROUGE-L and CIDEr are pycocoevalcap's, over its tokens; its CIDEr, and so the one that papers print, is CIDEr-D.
METEOR and SPICE run its Java programs (pip install 'imagist[metrics]')."""


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(required=True, metavar="captions|accounts")
    add_accounts(actions)
    summary = "BLEU, METEOR, ROUGE-L, CIDEr, SPICE, diversity and length of captions, with intervals"
    captions = actions.add_parser(
        "captions",
        help=summary,
        description=f"{summary}.",
        epilog=_FILES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    captions.set_defaults(act=_captions)
    captions.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="predicted captions; see below")
    captions.add_argument("references", type=Path, metavar="REFERENCES", help="reference captions; see below")
    captions.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="other predictions: report differences, with intervals and p-values",
    )
    captions.add_argument(
        "--subset",
        action="store_true",
        help="measure the images that have both a caption and references, and leave the others out",
    )
    captions.add_argument("--split", metavar="NAME", help="the split to evaluate, of files that have splits")
    captions.add_argument(
        "--language", default="en", metavar="CODE", help="language of the references, such as de (default: en)"
    )
    captions.add_argument(
        "--first", type=positive, metavar="N", help="the first N references of an image (default: all)"
    )
    captions.add_argument(
        "--train",
        type=Path,
        action="append",
        metavar="FILE",
        help="training captions, in a format of REFERENCES: report the share of captions copied from them; repeatable",
    )
    captions.add_argument("--train-split", metavar="NAME", help="the split of --train, of files that have splits")
    captions.add_argument("--no-java", action="store_true", help="without METEOR and SPICE")
    captions.add_argument(
        "--resamples", type=positive, default=1000, metavar="N", help="bootstrap resamples over images (default: 1000)"
    )
    captions.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the resamples (default: 0)")
    captions.add_argument(
        "--out", type=Path, metavar="FILE", help="write a .json, .csv or .md (default: a table on stdout)"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    return int(args.act(args))


def _captions(args: argparse.Namespace) -> int:
    from imagist.metrics.evaluation import CaptionEvaluation
    from imagist.report.metrics import Report, show_report, write_report
    from imagist.report.terminal import say

    _check(args)
    paired, other = _inputs(args)
    evaluation = CaptionEvaluation(
        paired.references,
        training=_training(args),
        java=not args.no_java,
        language=args.language,
        resamples=args.resamples,
        seed=args.seed,
    )
    measured: Measured = evaluation.measure(paired.hypotheses)
    compared = evaluation.measure(other.hypotheses) if other else None
    report = Report(
        settings={
            "predictions": str(args.predictions),
            "references": str(args.references),
            "compared": str(args.compare) if args.compare else None,
            "language": args.language,
            "images": len(paired.images),
            "resamples": args.resamples,
            "seed": args.seed,
        },
        first=measured,
        second=compared,
        differences=evaluation.compare(measured, compared) if compared else {},
    )
    if args.out is None:
        show_report(report)
        return 0
    write_report(report, args.out)
    for key in ("meteor", "spice"):
        if not args.no_java and (reason := measured.unavailable.get(key)):
            say(f"imagist: no {key.upper()}: {reason}\n")
    say(f"imagist: {len(paired.images):,} images; wrote {args.out}\n")
    return 0


def _check(args: argparse.Namespace) -> None:
    from imagist.report.metrics import WRITERS
    from imagist.storage import check_folder

    if args.train_split and not args.train:
        raise UsageError("--train-split is the split of a file", remedy="name the file with --train")
    if args.out is None:
        return
    if args.out.suffix.lower() not in WRITERS:
        raise UsageError("has no suffix of a report format", item=str(args.out), remedy=f"one of {' '.join(WRITERS)}")
    check_folder(args.out)
    read = [args.predictions, args.references, args.compare, *(args.train or [])]
    if any(args.out.resolve() == path.resolve() for path in read if path):
        raise OutputError("is an input, too", item=str(args.out), remedy="write to another file")


def _inputs(args: argparse.Namespace) -> tuple[Paired, Paired | None]:
    """The predictions, and those they are compared with, each paired with the references of the same images."""
    from imagist.metrics.pairing import pair
    from imagist.metrics.predictions import read_predictions
    from imagist.report.terminal import say

    records = _read(args.references, args.split, args.language)
    pairs = []
    for path in (args.predictions, args.compare) if args.compare else (args.predictions,):
        predictions = read_predictions(path, split=args.split, subset=args.subset)
        pairs.append(pair(predictions, records, item=str(path), subset=args.subset))
    common = set[str].intersection(*({*paired.images} for paired in pairs))
    if not common:
        raise UsageError("the two files of predictions have no image in common", item=str(args.compare))
    if len(common) < len(records):
        measured = f"{len(common):,} of {len(records):,} images are measured"
        say(f"imagist: {measured}, those with both caption and references\n")
    wanted = [_wanted(paired, common, records, args) for paired in pairs]
    return wanted[0], wanted[1] if args.compare else None


def _wanted(paired: Paired, common: set[str], records: list[Record], args: argparse.Namespace) -> Paired:
    """Of some images those that have references in the language, with the first N of their references."""
    from imagist.metrics.pairing import Paired

    references = {record.image: _sentences(record, args.language)[: args.first] for record in records}
    kept = [n for n, image in enumerate(paired.images) if image in common and references[image]]
    if not kept:
        raise UsageError(f"no references in {args.language!r}", item=str(args.references))
    images = [paired.images[n] for n in kept]
    return Paired(images, [paired.hypotheses[n] for n in kept], [references[image] for image in images])


def _training(args: argparse.Namespace) -> list[str] | None:
    if not args.train:
        return None
    records = (record for path in args.train for record in _read(path, args.train_split, args.language))
    return [sentence for record in records for sentence in _sentences(record, args.language)]


def _read(path: Path, split: str | None, language: str) -> list[Record]:
    from imagist.datasets.captions import read

    languages = [] if language == "en" else [language]
    return read(path, split=split, check_images=False, languages=languages, content=False)


def _sentences(record: Record, language: str) -> tuple[str, ...]:
    return record.captions if language == "en" else record.translations.get(language, ())
