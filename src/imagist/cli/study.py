"""``imagist study``: captioners, classifiers and fusions over folds, from one file to one folder."""

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
        "--folder", type=Path, metavar="DIR", help="receives everything (default: runs/studies/NAME of the study)"
    )
    add_changes(parser, "fusion.weights=41")
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="go on where near-duplicates, or photos that a captioner has learnt from, are judged; the report says so",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from imagist import settings
    from imagist.cli.train import begin_log

    data = data_folder(args)
    try:
        from imagist.report.studies.publish import publish
        from imagist.study.captions import Places
        from imagist.study.config import Study
        from imagist.study.run import run as run_study
    except ModuleNotFoundError as error:
        raise MissingExtra(f"studies need {error.name}", remedy="pip install 'imagist[torch,study]'") from error
    study = settings.read(args.config, Study, args.set)
    folder = args.folder or Path("runs") / "studies" / study.name
    begin_log(folder / "study.log")
    found = run_study(study, Places(data, args.config, folder), allow_leakage=args.allow_leakage)
    sys.stdout.write(f"{publish(found, folder)}\n")
    return 0
