"""``imagist study``: evaluates captioners x classifiers x fusions over folds, and writes one folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from imagist.cli.parser import Parser, add_changes, add_data, data_folder
from imagist.errors import MissingExtra, UsageError


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "config",
        type=Path,
        metavar="CONFIG",
        help="the study: a TOML file, or the name of one that ships, such as best",
    )
    add_data(parser, "study")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="receives all results (default: runs/studies/NAME of the study)"
    )
    add_changes(parser, "fusion.weights=41")
    parser.add_argument(
        "--save", type=Path, metavar="MODEL", help="write the most accurate system, or --system, as a model folder"
    )
    parser.add_argument("--system", metavar="NAME", help="the system to save, by its name in the report")
    parser.add_argument("--overwrite", action="store_true", help="let --save replace a model that is already there")
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

    args.config = settings.located("studies", args.config)
    if args.system and not args.save:
        raise UsageError("--system names what --save writes", remedy="name a folder with --save")
    if args.overwrite and not args.save:
        raise UsageError("--overwrite replaces what --save writes", remedy="name a folder with --save")
    if args.save:
        from imagist.bundle import check_target

        check_target(args.save, overwrite=args.overwrite)
    try:
        from imagist.report.study.publish import publish
        from imagist.study.captions import Paths
        from imagist.study.config import Study
        from imagist.study.run import run as run_study
    except ModuleNotFoundError as error:
        raise MissingExtra(f"studies need {error.name}", remedy="pip install 'imagist[torch,study]'") from error
    study = settings.read(args.config, Study, args.set)
    data = Path() if args.data is None and not study.relative_paths else data_folder(args)
    folder = args.folder or Path("runs") / "studies" / study.name
    begin_log(folder / "study.log")
    result = run_study(study, Paths(data, args.config, folder), allow_leakage=args.allow_leakage)
    sys.stdout.write(f"{publish(result, folder)}\n")
    if args.save:
        from imagist.study.parts import system_named
        from imagist.study.saving import save_system

        named = system_named(result, args.system) if args.system else result.best.system
        chosen = next(each for each in result.systems if each.system == named)
        sys.stdout.write(f"{save_system(result, chosen, args.save).path}\n")
    return 0
