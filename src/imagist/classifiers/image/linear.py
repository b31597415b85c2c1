"""`linear`: a frozen encoder and one trained layer over the mean of its grid; needs NumPy and ONNX Runtime alone.

Shapes: N photos; V views of a photo; D channels of the grid; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import Array, product, softmax, unit
from imagist.bundle import ENCODER, SPACE, fingerprint, npz, open_part, write_part
from imagist.errors import BundleError
from imagist.images.encoder import Encoder, encoder_of
from imagist.images.views import by_photo
from imagist.protocols import PartOptions
from imagist.records import LabelSet, Photo

KIND = "linear"
WEIGHTS = "weights.npz"


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """Implements `imagist.protocols.ImageClassifier`: ``softmax(features @ matrix + bias)``, averaged over views.

    Attributes:
        labels: The C names.
        encoder: Shared with the captioner.
        matrix: float32 ``[D, C]``.
        bias: float32 ``[C]``.
        normalised: Whether features are scaled to length 1.
        space: The space of the encoder, where the weights were fitted to several encoders of it: a saved classifier is
            then served by any of them. None binds it to its encoder.
    """

    labels: LabelSet
    encoder: Encoder
    matrix: Array
    bias: Array
    normalised: bool = False
    space: str | None = None
    concurrent = True
    reads_grids = True

    @property
    def id(self) -> str:
        """Changes with weights, labels, encoder and views."""
        own = fingerprint(self.labels.names, self.matrix, self.bias, self.normalised)
        return f"{KIND}-{own}(encoder={self.encoder.id},views={self.encoder.views})"

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        matrix = self.matrix.astype(np.float64)
        views = [self._features(grid) for grid in self.encoder.grids(photos)]
        if not views:
            return np.zeros((0, len(self.labels)), np.float32)
        rows = softmax(product(np.concatenate(views).astype(np.float64), matrix) + self.bias)
        return by_photo(rows, views).astype(np.float32)

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """The features that the layer takes, float32 ``[N, D]``; the mean over each photo's views."""
        if not photos:
            return np.zeros((0, len(self.matrix)), np.float32)
        return pooled(self.encoder, photos, normalised=self.normalised)

    def save(self, folder: Path) -> None:
        """Writes weights and card; the encoder is a part of the model for itself."""
        served = {SPACE: self.space} if self.space else {ENCODER: self.encoder.version}
        card = {"labels": list(self.labels), **served, "normalised": self.normalised}
        write_part(folder, KIND, card, weights__npz=npz(matrix=self.matrix, bias=self.bias))

    def _features(self, grid: Array) -> Array:
        return unit(grid.mean(1)) if self.normalised else grid.mean(1)


def pooled(encoder: Encoder, photos: Sequence[Photo], *, normalised: bool) -> Array:
    """The mean of each photo's grid, float32 ``[N, D]``, averaged over its views.

    Args:
        encoder: Encodes the photos.
        photos: N of them.
        normalised: Scale the features of each view to length 1.
    """
    rows = [grid.mean(1) for grid in encoder.grids(photos)]
    if not rows:
        return np.zeros((0, 0), np.float32)
    return np.stack([(unit(views) if normalised else views).mean(0) for views in rows])


def load(model: str, options: PartOptions) -> LinearClassifier:
    """Loads a saved classifier, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged, or its encoder is not there.
    """
    folder = open_part(model, "image_classifier")
    labels, arrays = folder.labels, folder.arrays(WEIGHTS)
    matrix, bias = arrays.get("matrix"), arrays.get("bias")
    if matrix is None or bias is None or matrix.shape[1:] != bias.shape or bias.shape != (len(labels),):
        raise BundleError("labels and weights do not fit together", item=str(folder.path), remedy="save it again")
    encoder, normalised, space = encoder_of(folder, options), bool(folder.card["normalised"]), folder.card.get(SPACE)
    return LinearClassifier(labels, encoder, matrix, bias, normalised, space)
