"""``imagist demo``: classifies sample images by everyday categories and writes a report, for a first look."""

from __future__ import annotations

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path

from imagist.cli.parser import Parser, add_encoder
from imagist.errors import MissingExtra, OutputError

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
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="where report.html goes (default: demo)"
    )
    add_encoder(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    from imagist.cli.main import main

    found = None if args.images else _images()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        images = args.images or _copied(found or {}, args.out / "images")
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", item=str(args.out)) from error
    report = args.out / "report.html"
    chosen = ["--encoder", args.encoder] if args.encoder else []
    return main(["classify", str(images), "--labels", CATEGORIES, "--top", "3", "--report", str(report), *chosen])


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
