"""``imagist train caption``: a captioner from a recipe, with its bundle, curves and samples."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from imagist.cli.parser import Parser, add_changes, add_data, data_folder
from imagist.errors import MissingExtra, OutputError


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(required=True, metavar="caption")
    caption = actions.add_parser("caption", help="train a captioner from a recipe (needs imagist[torch])")
    caption.add_argument("config", type=Path, metavar="CONFIG.toml", help="the recipe; see configs/captioners")
    add_data(caption, "recipe")
    caption.add_argument(
        "--folder", type=Path, metavar="DIR", help="checkpoints, bundle and report (default: runs/NAME of the recipe)"
    )
    caption.add_argument(
        "--features", type=Path, default=Path("runs/features"), metavar="DIR",
        help="cache of frozen encoders' features (default: runs/features)",
    )  # fmt: skip
    add_changes(caption, "cross_entropy.epochs=3")
    caption.add_argument("--tensorboard", action="store_true", help="write curves for TensorBoard as well")
    caption.set_defaults(act=_caption)


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    return int(args.act(args))


def _caption(args: argparse.Namespace) -> int:
    from imagist import settings

    data = data_folder(args)
    try:
        from imagist.training.captioners.recipe import Recipe
        from imagist.training.captioners.train import train
    except ModuleNotFoundError as error:
        raise MissingExtra(f"training needs {error.name}", remedy="pip install 'imagist[torch]'") from error
    recipe = settings.read(args.config, Recipe, args.set)
    folder = args.folder or Path("runs") / recipe.name
    begin_log(folder / "train.log")
    outcome = train(recipe, data, folder, args.features, Curves(folder, tensorboard=args.tensorboard))
    if outcome is not None:
        from imagist.report.training import write_report

        write_report(outcome.folder, outcome.measured, outcome.samples, settings.to_toml(recipe))
        sys.stdout.write(f"{outcome.folder / 'report.html'}\n")
    return 0


class Curves:
    """Writes the metrics of a training to a JSON Lines file and, if asked, for TensorBoard.

    Args:
        folder: Receives ``curves.jsonl`` and ``tensorboard/``.
        tensorboard: Whether to write for TensorBoard.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool) -> None:
        self._path = folder / "curves.jsonl"
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ModuleNotFoundError as error:
                raise MissingExtra("TensorBoard is not installed", remedy="pip install tensorboard") from error
            self._board = SummaryWriter(str(folder / "tensorboard"))

    def __call__(self, phase: str, step: int, metrics: dict[str, float]) -> None:
        """Writes the metrics of a step."""
        import json

        with self._path.open("a") as file:
            file.write(json.dumps({"phase": phase, "step": step} | metrics) + "\n")
        if self._board is not None:
            for name, value in metrics.items():
                self._board.add_scalar(f"{phase}/{name}", value, step)
            self._board.flush()


def begin_log(path: Path) -> None:
    """Makes the folder of a run, and logs to a file in it.

    Raises:
        OutputError: It cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logged(path)
    except OSError as error:
        raise OutputError(f"cannot be written to: {error.strerror}", item=str(path.parent)) from error


def logged(path: Path) -> None:
    """Sends the log of the training to stderr and to a file."""
    import logging

    handlers: list[logging.Handler] = [logging.StreamHandler(), logging.FileHandler(path)]
    form = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    logger = logging.getLogger("imagist.training")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in handlers:
        handler.setFormatter(form)
        logger.addHandler(handler)
    for chatty in ("onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
