"""``imagist demo``: a first look. Classifies sample images by everyday categories, or profiles simulated accounts."""

from __future__ import annotations

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path

from imagist.cli.parser import Parser, add_encoder
from imagist.errors import MissingExtra, OutputError, UsageError

CATEGORIES = "everyday"
"""A name of `imagist.matching.prompts.LABEL_SETS`."""

IMAGES = {
    "astronaut.png": ("skimage", "data/astronaut.png"),
    "cat.png": ("skimage", "data/chelsea.png"),
    "china.jpg": ("sklearn", "datasets/images/china.jpg"),
    "coffee.png": ("skimage", "data/coffee.png"),
    "flower.jpg": ("sklearn", "datasets/images/flower.jpg"),
    "motorcycle.png": ("skimage", "data/motorcycle_left.png"),
    "photographer.png": ("skimage", "data/camera.png"),
    "rocket.jpg": ("skimage", "data/rocket.jpg"),
}
"""Sample images inside installed packages: file name in the demo folder to package and path in it."""


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    parser.add_argument("--images", metavar="FOLDER", help="your own images instead (a folder, or any source)")
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="where pages and images go (default: demo)"
    )
    parser.add_argument(
        "--accounts",
        action="store_true",
        help="simulate accounts that post parts of the sample images, and write accounts.html, what each posts about",
    )
    add_encoder(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from imagist.cli.main import main

    if args.accounts and args.images:
        raise UsageError("simulated accounts post the sample images", item="--images", remedy="use imagist profile")
    found = None if args.images else _images()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        images = args.images or _copied(found or {}, args.out / "images")
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", item=str(args.out)) from error
    chosen = ["--encoder", args.encoder] if args.encoder else []
    if args.accounts:
        return main([*_profile(found or {}, args.out), *chosen])
    report = args.out / "report.html"
    return main(["classify", str(images), "--labels", CATEGORIES, "--top", "3", "--report", str(report), *chosen])


def _profile(images: dict[str, Path], out: Path) -> list[str]:
    """The command that profiles simulated accounts, which it writes first."""
    from imagist.cli.demo_accounts import write_accounts

    try:
        folder = write_accounts({Path(name).stem: file for name, file in images.items()}, out / "accounts")
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", item=str(out)) from error
    return ["profile", str(folder), "--labels", CATEGORIES, "--report", str(out / "accounts.html"), "--overwrite"]


def _images() -> dict[str, Path]:
    """Returns the sample images by name. Finds the packages without importing them."""
    found = {}
    for name, (package, path) in IMAGES.items():
        spec = find_spec(package)
        folders = (spec and spec.submodule_search_locations) or []
        file = next((Path(folder, path) for folder in folders if Path(folder, path).is_file()), None)
        if file is None:
            raise MissingExtra(
                "its images are not installed",
                item=package,
                remedy="pip install 'imagist[demo]', or give --images",
            )
        found[name] = file
    return found


def _copied(images: dict[str, Path], folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, file in images.items():
        shutil.copyfile(file, folder / name)
    return folder
