"""``imagist study``: captioners, classifiers and fusions over folds, from one file to one folder."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from imagist.cli.parser import Parser
from imagist.errors import MissingExtra, UsageError


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="the study; see configs/studies")
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("IMAGIST_DATA"),
        metavar="DIR",
        help="where the study's relative paths are looked for (default: IMAGIST_DATA)",
    )
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="receives everything (default: runs/studies/NAME of the study)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="another value, such as fusion.weights=41"
    )
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="go on where near-duplicates, or photos that a captioner has learnt from, are judged; the report says so",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from imagist import settings
    from imagist.cli.train import logged

    if args.data is None:
        raise UsageError("name the data folder", item="--data", remedy="or set IMAGIST_DATA")
    try:
        from imagist.study.captions import Places
        from imagist.study.config import Study
        from imagist.study.publish import publish
        from imagist.study.run import run as run_study
    except ModuleNotFoundError as error:
        raise MissingExtra(f"studies need {error.name}", remedy="pip install 'imagist[torch,study]'") from error
    study = settings.read(args.config, Study, args.set)
    folder = args.folder or Path("runs") / "studies" / study.name
    folder.mkdir(parents=True, exist_ok=True)
    logged(folder / "study.log")
    found = run_study(study, Places(Path(args.data), args.config, folder), allow_leakage=args.allow_leakage)
    sys.stdout.write(f"{publish(found, folder)}\n")
    return 0
