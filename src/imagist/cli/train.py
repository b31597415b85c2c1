"""``imagist train``: a captioner, an encoder or a matcher from a recipe, with its curves and results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from imagist.cli.parser import Parser, add_changes, add_data, data_folder
from imagist.errors import MissingExtra
from imagist.training.logs import begin_log


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(required=True, metavar="caption|encoder|matcher")
    caption = actions.add_parser("caption", help="train a captioner from a recipe (needs imagist[torch])")
    _add_recipe(caption, "configs/captioners", "cross_entropy.epochs=3")
    caption.add_argument(
        "--features", type=Path, default=Path("runs/features"), metavar="DIR",
        help="cache of the features of frozen encoders (default: runs/features)",
    )  # fmt: skip
    caption.set_defaults(act=_caption)
    encoder = actions.add_parser("encoder", help="distil an encoder from a recipe (needs imagist[torch])")
    _add_recipe(encoder, "configs/embedded", "whole.steps=500")
    encoder.set_defaults(act=_encoder)
    matcher = actions.add_parser(
        "matcher", help="train a matcher of images and texts from a recipe (needs imagist[torch,minilm] and WordNet)"
    )
    _add_recipe(matcher, "configs/embedded", "texts.steps=5000")
    matcher.set_defaults(act=_matcher)


def _add_recipe(parser: Parser, examples: str, change: str) -> None:
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help=f"the recipe: a TOML file, or the name of one in {examples}"
    )
    add_data(parser, "recipe")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="checkpoints and results (default: runs/NAME of the recipe)"
    )
    add_changes(parser, change)
    parser.add_argument("--tensorboard", action="store_true", help="write curves for TensorBoard as well")


def run(args: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    try:
        return int(args.act(args))
    except ModuleNotFoundError as error:
        raise MissingExtra(f"training needs {error.name}", remedy="pip install 'imagist[torch]'") from error


def _caption(args: argparse.Namespace) -> int:
    from imagist import settings

    data = data_folder(args)
    from imagist.training.captioners.recipe import Recipe
    from imagist.training.captioners.train import train

    recipe = settings.read(settings.located("captioners", args.config), Recipe, args.set)
    folder, curves = _begun(args, recipe.name)
    outcome = train(recipe, data, folder, args.features, curves)
    if outcome is not None:
        from imagist.report.training import write_report

        write_report(outcome.folder, outcome.measured, outcome.samples, settings.to_toml(recipe))
        sys.stdout.write(f"{outcome.folder / 'report.html'}\n")
    return 0


def _encoder(args: argparse.Namespace) -> int:
    from imagist import settings

    data = data_folder(args)
    from imagist.training.encoders.distillation.recipe import DistillationRecipe
    from imagist.training.encoders.distillation.train import train

    recipe = settings.read(settings.located("embedded", args.config), DistillationRecipe, args.set)
    trained = train(recipe, data, *_begun(args, recipe.name))
    sys.stdout.write(f"{trained}\n")
    return 0


def _matcher(args: argparse.Namespace) -> int:
    from imagist import settings

    data = data_folder(args)
    from imagist.training.matchers.recipe import MatcherRecipe
    from imagist.training.matchers.train import train

    recipe = settings.read(settings.located("embedded", args.config), MatcherRecipe, args.set)
    trained = train(recipe, data, *_begun(args, recipe.name))
    sys.stdout.write(f"{trained}\n")
    return 0


def _begun(args: argparse.Namespace, name: str) -> tuple[Path, Curves]:
    """The folder of a training, whose log has begun, and its curves."""
    folder = args.folder or Path("runs") / name
    begin_log(folder / "train.log")
    return folder, Curves(folder, tensorboard=args.tensorboard)


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
