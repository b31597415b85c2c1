"""``imagist study``: evaluates captioners x classifiers x fusions over folds, and writes one folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from imagist.cli.parser import Parser, add_changes, add_data, data_folder
from imagist.errors import MissingExtra


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="the study; see configs/studies")
    add_data(parser, "study")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="receives all results (default: runs/studies/NAME of the study)"
    )
    add_changes(parser, "fusion.weights=41")
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="continue although training images are near-duplicates of test images, or a captioner was trained on "
        "test images; the report states it",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from imagist import settings
    from imagist.training.logs import begin_log

    data = data_folder(args)
    try:
        from imagist.report.study.publish import publish
        from imagist.study.captions import Paths
        from imagist.study.config import Study
        from imagist.study.run import run as run_study
    except ModuleNotFoundError as error:
        raise MissingExtra(f"studies need {error.name}", remedy="pip install 'imagist[torch,study]'") from error
    study = settings.read(args.config, Study, args.set)
    folder = args.folder or Path("runs") / "studies" / study.name
    begin_log(folder / "study.log")
    result = run_study(study, Paths(data, args.config, folder), allow_leakage=args.allow_leakage)
    sys.stdout.write(f"{publish(result, folder)}\n")
    return 0
