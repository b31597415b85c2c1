"""`distilled`: an image classifier that learned from a fused teacher, over the features of another; needs no caption.

Shapes: N photos; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from imagist.arrays import AnyArray, Array
from imagist.bundle import fingerprint, npz, open_folder, open_part, write_part
from imagist.classifiers.fusion.features import FeedForward
from imagist.errors import BundleError, UsageError
from imagist.protocols import ImageClassifier, ImageFeatures, PartOptions
from imagist.records import LabelSet, Photo

KIND = "distilled"
BASE = "base"


class Base(ImageClassifier, ImageFeatures, Protocol):
    """An image classifier with features."""


@dataclass(frozen=True, eq=False)
class DistilledClassifier:
    """Implements `imagist.protocols.ImageClassifier` (Hinton et al. 2015).

    Attributes:
        labels: C names.
        base: Gives the features.
        network: Over the features.

    Raises:
        UsageError: The network has other classes than there are labels.
    """

    labels: LabelSet
    base: Base
    network: FeedForward

    def __post_init__(self) -> None:
        if self.network.classes != len(self.labels):
            raise UsageError(f"a network of {self.network.classes} classes for {len(self.labels)} labels")

    @property
    def id(self) -> str:
        """Changes with the network, the labels and the base."""
        return f"{KIND}-{fingerprint(self.labels.names, *self.network.tensors().values())}({self.base.id})"

    @property
    def concurrent(self) -> bool:
        """As its base."""
        return self.base.concurrent

    @property
    def encoder(self) -> Any:
        """Of its base; None where that has none."""
        return getattr(self.base, "encoder", None)

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        return self.scores_of(self.base.hidden(photos))

    def scores_of(self, features: AnyArray) -> Array:
        """float32 ``[N, C]`` from the base's features ``[N, D]``."""
        return self.network.scores(features)

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """The base's features, float32 ``[N, D]``."""
        return self.base.hidden(photos)

    def save(self, folder: Path) -> None:
        """Writes the base, the network and the card."""
        weights = npz(**self.network.tensors())
        write_part(folder, KIND, {"labels": list(self.labels)}, self._save_base, weights__npz=weights)

    def _save_base(self, folder: Path) -> None:
        self.base.save(folder / BASE)


def load(model: str, options: PartOptions) -> DistilledClassifier:
    """Loads a saved classifier, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged.
    """
    folder = open_part(model, "image_classifier")
    path = folder.checked() / BASE
    base = open_folder(path).load("image_classifiers", options)
    try:
        network = FeedForward.from_tensors(folder.arrays("weights.npz"))
        return DistilledClassifier(folder.labels, base, network)
    except UsageError as error:
        raise BundleError(f"the numbers do not fit: {error}", item=str(folder.path), remedy="save it again") from error
