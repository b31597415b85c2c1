"""Models: folders of parts, shipped ones by name and any other by path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagist.bundle.folders import AGAIN, CARD, Folder, open_folder, read_card
from imagist.errors import BundleError, BundleNotFound, BundleTampered

SHIPPED = Path(__file__).parent.parent / "models"
ENCODER = "encoder"
SPACE = "space"
"""The entry of a card that names the features of an encoder: those of all encoders of a space mean the same."""
PARTS = {
    "captioner": "captioners",
    "text_classifier": "text_classifiers",
    "image_classifier": "image_classifiers",
    "fusion": "fusions",
    "calibration": "calibrations",
    "matcher": "matchers",
}
"""The folders of a model, and the registry's name for what each holds."""


@dataclass(frozen=True)
class Bundle(Folder):
    """An opened model."""

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.card["name"])

    @property
    def description(self) -> str:
        """One line about it."""
        return str(self.card.get("description", ""))

    @property
    def size(self) -> int:
        """Bytes of the files of all its parts."""
        return sum((folder.path / name).stat().st_size for folder in self.folders() for name in folder.files)

    @property
    def encoder(self) -> Folder:
        """The folder of its encoder.

        Raises:
            BundleError: It has none.
        """
        if not self.has(ENCODER):
            raise BundleError("the model has no encoder", item=self.name, remedy="choose another with --model")
        return open_folder(self.path / ENCODER)

    def folders(self) -> Iterator[Folder]:
        """Its encoders and parts."""
        yield from (open_folder(self.path / name) for name in self.card["parts"])

    def has(self, part: str) -> bool:
        """Whether it has a part, such as ``text_classifier``."""
        return part in self.card["parts"]

    def part(self, part: str) -> Folder:
        """One of its parts, a key of `PARTS`.

        Raises:
            BundleError: The model has no such part, or the part's card cannot be understood.
            BundleTampered: The part differs from the one that the model's card describes.
        """
        if not self.has(part):
            there = ", ".join(self.card["parts"])
            raise BundleError(
                f"the model has no {part.replace('_', ' ')}; it has {there}",
                item=self.name,
                remedy=f"choose one with --{part.replace('_', '-')}, or another model with --model",
            )
        folder = open_folder(self.path / part)
        if folder.version != self.card["parts"][part]:
            raise BundleTampered(
                "differs from the part that the model's card describes", item=str(folder.path), remedy=AGAIN
            )
        return folder


def open_bundle(name: str | os.PathLike[str]) -> Bundle:
    """Opens a model that ships with imagist, by name, or any model folder, by path.

    Raises:
        BundleNotFound: Neither a shipped name nor a folder with a card.
        BundleError: The card cannot be understood.
    """
    path = next((path for path in (Path(name), SHIPPED / str(name)) if (path / CARD).is_file()), None)
    if path is None:
        shipped = ", ".join(bundle.name for bundle in list_bundles()) or "none is installed"
        raise BundleNotFound("no model of that name or folder", item=str(name), remedy=f"shipped: {shipped}")
    card = read_card(path / CARD)
    if not isinstance(card.get("name"), str) or not isinstance(card.get("parts"), dict):
        raise BundleError("the card of a model has a name and a table [parts]", item=str(path / CARD), remedy=AGAIN)
    return Bundle(path, card)


def open_part(model: str | os.PathLike[str], part: str) -> Folder:
    """A part, from its own folder or from a model.

    Args:
        model: The folder of the part, or a model by its name or folder.
        part: A key of `PARTS`.

    Raises:
        BundleError: There is no such part.
    """
    if (Path(model) / CARD).is_file():
        folder = open_folder(model)
        if "kind" in folder.card:
            return folder
    return open_bundle(model).part(part)


def list_bundles() -> Iterator[Bundle]:
    """The models that ship with imagist, by name."""
    for card in sorted(SHIPPED.glob(f"*/{CARD}")):
        yield open_bundle(card.parent)


def is_bundle(path: str | os.PathLike[str]) -> bool:
    """Whether there is a model of that name or folder."""
    try:
        open_bundle(path)
    except BundleError:
        return False
    return True
