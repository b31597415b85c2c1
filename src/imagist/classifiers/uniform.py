"""`uniform`: stands in for a classifier that a system does not have; every class gets the same probability.

Shapes: N items; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from imagist.arrays import Array
from imagist.bundle import fingerprint, open_part, write_part
from imagist.protocols import PartOptions
from imagist.records import LabelSet, Photo

KIND = "uniform"
T = TypeVar("T")


@dataclass(frozen=True)
class Uniform(Generic[T]):
    """Implements `imagist.protocols.TextClassifier` and `imagist.protocols.ImageClassifier`.

    Attributes:
        labels: The C names.
    """

    labels: LabelSet
    concurrent = True

    @property
    def id(self) -> str:
        """The kind and the labels."""
        return f"{KIND}-{fingerprint(self.labels.names)}"

    def scores(self, items: Sequence[T]) -> Array:
        """float32 ``[N, C]``, each 1 / C."""
        return np.full((len(items), len(self.labels)), 1 / len(self.labels), np.float32)

    def save(self, folder: Path) -> None:
        """Writes the card."""
        write_part(folder, KIND, {"labels": list(self.labels)})


def load_text(model: str, options: PartOptions) -> Uniform[str]:
    """Loads one that stands in for a text classifier."""
    return Uniform(open_part(model, "text_classifier").labels)


def load_image(model: str, options: PartOptions) -> Uniform[Photo]:
    """Loads one that stands in for an image classifier."""
    return Uniform(open_part(model, "image_classifier").labels)
