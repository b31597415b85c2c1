"""`labelmap`: an image classifier whose labels a taxonomy maps to categories, without training.

Shapes: N items; F labels of the network; C categories; E width of the network's hidden states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from imagist.arrays import Array
from imagist.classifiers.taxonomy import Taxonomy
from imagist.records import LabelSet, Photo


class Network(Protocol):
    """A classifier with hidden states, such as one trained on ImageNet-1k."""

    @property
    def labels(self) -> LabelSet:
        """The F labels."""
        ...

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, E]``."""
        ...

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

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        return self.scores_of(self.hidden(photos))

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, E]``, the input of the network's last layer."""
        return self.network.hidden(photos)

    def scores_of(self, features: Array) -> Array:
        """float32 ``[N, C]`` from hidden states ``[N, E]``."""
        return self.taxonomy.project(self.network.scores_of(features), self.network.labels)
