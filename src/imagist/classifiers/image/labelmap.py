"""`labelmap`: an image classifier whose labels a taxonomy maps to categories, without training.

Shapes: N items; F labels of the network; C categories; E width of the network's hidden states.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from imagist.arrays import Array
from imagist.bundle import fingerprint, open_folder, open_part, write_part
from imagist.classifiers.taxonomy import Taxonomy
from imagist.errors import BundleError, UsageError
from imagist.protocols import ImageClassifier, ImageFeatures, PartOptions
from imagist.records import Photo

KIND = "labelmap"
NETWORK = "network"


class Network(ImageClassifier, ImageFeatures, Protocol):
    """A classifier with features, such as one trained on ImageNet-1k."""

    def scores_of(self, features: Array) -> Array:
        """float32 ``[N, F]`` from hidden states ``[N, E]``."""
        ...


class LabelMapClassifier:
    """Implements `imagist.protocols.ImageClassifier`: sums a network's probabilities into categories.

    Args:
        network: The classifier.
        taxonomy: Maps the network's labels, spelled as the network spells them, to categories.

    Raises:
        UsageError: Members of the taxonomy that are not labels of the network: all of them.
    """

    def __init__(self, network: Network, taxonomy: Taxonomy) -> None:
        taxonomy.project(np.zeros((0, len(network.labels))), network.labels)
        self.network, self.taxonomy, self.labels = network, taxonomy, taxonomy.labels

    @property
    def id(self) -> str:
        """Changes with the network and the taxonomy."""
        return f"{KIND}-{fingerprint(self.labels.names, dict(self.taxonomy.members))}({self.network.id})"

    @property
    def concurrent(self) -> bool:
        """As its network."""
        return self.network.concurrent

    @property
    def encoder(self) -> Any:
        """Of its network; None where that has none."""
        return getattr(self.network, "encoder", None)

    def save(self, folder: Path) -> None:
        """Writes the network, and the taxonomy on the card."""
        members = [list(self.taxonomy.members[label]) for label in self.labels]
        card = {"name": self.taxonomy.name, "labels": list(self.labels), "members": members}
        write_part(folder, KIND, card, lambda path: self.network.save(path / NETWORK))

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        return self.scores_of(self.hidden(photos))

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, E]``, the input of the network's last layer."""
        return self.network.hidden(photos)

    def scores_of(self, features: Array) -> Array:
        """float32 ``[N, C]`` from hidden states ``[N, E]``."""
        return self.taxonomy.project(self.network.scores_of(features), self.network.labels)


def load(model: str, options: PartOptions) -> LabelMapClassifier:
    """Loads a saved classifier, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged.
    """
    folder = open_part(model, "image_classifier")
    path = folder.checked() / NETWORK
    network = open_folder(path).load("image_classifiers", options)
    labels = folder.labels
    try:
        members = dict(zip(labels, map(tuple, folder.card["members"]), strict=True))
        return LabelMapClassifier(network, Taxonomy(folder.card["name"], labels, members))
    except (ValueError, UsageError) as error:
        raise BundleError(f"the labels do not fit: {error}", item=str(folder.path), remedy="save it again") from error
