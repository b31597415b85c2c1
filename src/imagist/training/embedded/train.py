"""Trains the embedded model, behind ``make train-embedded``: runs the recipes of ``configs/embedded`` in order.

1. ``encoder.toml``: distils the encoder (``imagist train encoder``).
2. ``captioner.toml``: trains the captioner over it (``imagist train caption``).
3. ``matcher.toml``: trains the matcher over it (``imagist train matcher``).
4. ``labelled.toml``: gathers the labelled images in one table.
5. ``classifiers.toml``: fits the classifiers and their fusion to that table (``imagist fit``) and writes the bundle,
   with the matcher.
6. Measures the bundle and writes its model card.

Step 3 reads the nouns of WordNet 3.0, ``apt-get install wordnet-base``; ``--set matcher.wordnet=DIR`` names another
folder. A step whose result is on disk is skipped, and a killed step continues from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from imagist import settings
from imagist.bundle import CARD, MODEL_CARD, SHIPPED, add_part, open_bundle, open_folder
from imagist.datasets.labels import Columns, Source, read_all
from imagist.errors import ImagistError, UnknownName, UsageError
from imagist.images.encoder import encoder_of
from imagist.matching.opening import MATCHER
from imagist.protocols import PartOptions
from imagist.storage import write_json, write_text
from imagist.training.captioners.recipe import Recipe
from imagist.training.captioners.train import train as train_captioner
from imagist.training.embedded.labelled import LabelledSets, write_labelled
from imagist.training.embedded.measure import measure_bundle
from imagist.training.embedded.model_card import model_card
from imagist.training.encoders.distillation.recipe import DistillationRecipe
from imagist.training.encoders.distillation.train import train as train_encoder
from imagist.training.fit.fitting import fit
from imagist.training.fit.settings import EncoderHead, FitSettings
from imagist.training.logs import begin_log
from imagist.training.matchers.recipe import MatcherRecipe
from imagist.training.matchers.train import train as train_matcher
from imagist.training.matchers.wordnet import check_wordnet

TAXONOMIES = ("photos15", "sns4", "social12")  # those measured
DESCRIPTION = "EfficientNet-Lite0 layout distilled from random weights, captions that name what its classes recognise"
STEPS = ("encoder", "captioner", "matcher", "labelled", "classifiers")  # those with a recipe

T = TypeVar("T")


@dataclass(frozen=True)
class Embedded:
    """One training of the embedded model.

    Attributes:
        configs: Folder of the recipes.
        data: Folder of the images and of the teacher's weights.
        folder: Receives checkpoints and intermediate results.
        bundle: Folder of the finished bundle.
        changes: For each step, settings that replace those of its recipe, as ``imagist train --set`` takes them.
    """

    configs: Path
    data: Path
    folder: Path
    bundle: Path
    changes: dict[str, list[str]] = field(default_factory=dict)

    def run(self) -> None:
        """Runs every step."""
        if not (self.folder / "matcher" / MATCHER).exists():
            check_wordnet(self.data / self._read("matcher", MatcherRecipe).wordnet)  # before hours of training
        weights = self.encoder()
        captioner = self.captioner(weights)
        matcher = self.matcher(weights, captioner)
        table = self.labelled()
        self.classifiers(captioner, matcher, table)
        self.card(table)

    def encoder(self) -> Path:
        """Step 1; returns the encoder's weights."""
        recipe = self._read("encoder", DistillationRecipe)
        return train_encoder(recipe, self.data, self.folder / "encoder")

    def captioner(self, weights: Path) -> Path:
        """Step 2; returns the captioner's bundle."""
        folder = self.folder / "captioner"
        if not (folder / "measured.json").exists():
            recipe = self._read("captioner", Recipe, [f"backbone.weights={json.dumps(str(weights.resolve()))}"])
            train_captioner(recipe, self.data, folder, self.folder / "features")
        return folder / "bundle"

    def matcher(self, weights: Path, captioner: Path) -> Path:
        """Step 3; returns the folder of the matcher."""
        changes = [
            f"backbone.weights={json.dumps(str(weights.resolve()))}",
            f"data.calibration.captioner={json.dumps(str(captioner.resolve()))}",
        ]
        return train_matcher(self._read("matcher", MatcherRecipe, changes), self.data, self.folder / "matcher")

    def labelled(self) -> Path:
        """Step 4; returns the table."""
        table = self.folder / "labelled.parquet"
        if not table.exists():
            write_labelled(self._read("labelled", LabelledSets), self.data, table)
        return table

    def classifiers(self, captioner: Path, matcher: Path, table: Path) -> None:
        """Step 5; writes the bundle."""
        fitted = self.folder / "fitted.json"
        if fitted.exists() and json.loads(fitted.read_text("utf-8"))["version"] == self._version():
            return
        asked = self._read("classifiers", FitSettings)
        items = read_all([Source(table, columns=Columns(weight="weight"))], check_images=False)
        result = fit(
            replace(
                asked,
                captioner=replace(asked.captioner, model=str(captioner)),
                image_classifier=EncoderHead(model=str(captioner)),
                description=f"{DESCRIPTION}, {len({item.label for item in items})} classes",
                encoders=_usable(asked.encoders, captioner),
            ),
            self.bundle,
            items=items,
        )
        add_part(open_bundle(self.bundle), MATCHER, open_folder(matcher))
        write_json(fitted, {"version": self._version(), "images": len(result.examples)})

    def card(self, table: Path) -> None:
        """Step 6; measures the bundle and writes its model card."""
        path, version = self.folder / "measured.json", self._version()
        if path.exists() and json.loads(path.read_text("utf-8"))["version"] == version:
            return
        captioner = json.loads((self.folder / "captioner" / "measured.json").read_text("utf-8"))
        captions = [self.data / source.path for source in self._read("captioner", Recipe).data.dev]
        figures = measure_bundle(self.bundle, captions, table, TAXONOMIES)
        measured = json.loads(json.dumps({"version": version, **figures, "captioner": captioner}, default=vars))
        write_text(self.bundle / MODEL_CARD, model_card(measured, self.bundle))
        write_json(path, measured)

    def _version(self) -> str | None:
        return open_bundle(self.bundle).version if (self.bundle / CARD).exists() else None

    def _read(self, step: str, kind: type[T], changes: Sequence[str] = ()) -> T:
        return settings.read(self.configs / f"{step}.toml", kind, [*changes, *self.changes.get(step, ())])


def _usable(encoders: Sequence[str], captioner: Path) -> tuple[str, ...]:
    """Those of some encoders that a captioner works with, by name."""
    part, found = open_bundle(captioner).part("captioner"), []
    for name in encoders:
        with suppress(UnknownName):  # the space has no encoder of that name
            encoder_of(part, PartOptions(encoder=name))
            found.append(name)
    return tuple(found)


def changes_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """Settings such as ``encoder.whole.steps=500``, by step.

    Raises:
        UsageError: The first name is not a step's.
    """
    changes: dict[str, list[str]] = {step: [] for step in STEPS}
    for text in texts:
        step, _, change = text.partition(".")
        if step not in changes:
            raise UsageError(f"no step {step!r}", item=text, remedy=f"begin with {', '.join(STEPS)}")
        changes[step].append(change)
    return changes


def main(argv: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=Path, default=Path("configs/embedded"), help="folder of the recipes")
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"), help="folder of images")
    parser.add_argument("--folder", type=Path, default=Path("runs/embedded"), help="checkpoints and results")
    parser.add_argument("--bundle", type=Path, default=SHIPPED / "embedded", help="folder of the bundle")
    parser.add_argument(
        "--set", action="append", default=[], metavar="STEP.KEY=VALUE", help="such as captioner.cross_entropy.epochs=1"
    )
    args = parser.parse_args(argv)
    if args.data is None:
        parser.error("name the data folder with --data or IMAGIST_DATA")
    try:
        begin_log(args.folder / "train.log")
        Embedded(args.configs, args.data, args.folder, args.bundle, changes_of(args.set)).run()
    except ImagistError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
