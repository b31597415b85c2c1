"""`features`: a small network over the features of both classifiers.

Fitted by `imagist.training.classifiers`, run here in numpy.

Shapes: N items; C classes; D features; E1, E2 widths of the hidden states of both classifiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray, Array, softmax
from imagist.bundle import fingerprint, npz, open_part, write_part
from imagist.errors import BundleError, UsageError
from imagist.protocols import PartOptions
from imagist.records import LabelSet

KIND = "features"


@dataclass(frozen=True, eq=False)
class FeedForward:
    """Layers one after the other, rectified between them; one layer alone is a linear classifier.

    Attributes:
        layers: A float32 matrix ``[in, out]`` and bias ``[out]`` each; the last layer's out is C.

    Raises:
        UsageError: No layers, layers that do not fit together, or a number that is not finite.
    """

    layers: tuple[tuple[Array, Array], ...]

    def __post_init__(self) -> None:
        fit = all(matrix.ndim == 2 and bias.shape == matrix.shape[1:] for matrix, bias in self.layers)
        chained = fit and all(one[0].shape[1] == next_[0].shape[0] for one, next_ in pairwise(self.layers))
        if not self.layers or not chained:
            shapes = [(matrix.shape, bias.shape) for matrix, bias in self.layers]
            raise UsageError(f"layers must be matrices [in, out] with biases [out] that fit together, got {shapes}")
        if not all(np.isfinite(part).all() for layer in self.layers for part in layer):
            raise UsageError("a network's numbers must be finite")

    @property
    def width(self) -> int:
        """How many features it takes."""
        return int(self.layers[0][0].shape[0])

    @property
    def classes(self) -> int:
        """C."""
        return int(self.layers[-1][1].shape[0])

    def scores(self, features: AnyArray) -> Array:
        """float32 ``[N, C]`` from ``[N, in]``, rows sum to 1.

        Raises:
            UsageError: Features of another width.
        """
        if features.ndim != 2 or features.shape[1] != self.width:
            raise UsageError(f"needs features [N, {self.width}], got {list(features.shape)}")
        x = np.asarray(features, dtype=np.float32)
        for matrix, bias in self.layers[:-1]:
            x = np.maximum(x @ matrix + bias, 0)
        return softmax(x @ self.layers[-1][0] + self.layers[-1][1]).astype(np.float32)

    def tensors(self) -> dict[str, Array]:
        """Its layers by name, as safetensors stores them; `from_tensors` is the way back."""
        named: dict[str, Array] = {}
        for number, (matrix, bias) in enumerate(self.layers):
            named |= {f"{number}.matrix": matrix, f"{number}.bias": bias}
        return named

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Array]) -> FeedForward:
        """The network that `tensors` were taken from.

        Raises:
            UsageError: They are not those of a network.
        """
        numbers = range(len(tensors) // 2)
        if set(tensors) != {f"{number}.{part}" for number in numbers for part in ("matrix", "bias")}:
            raise UsageError(f"not the tensors of a network: {', '.join(sorted(tensors)) or 'none'}")
        return cls(tuple((tensors[f"{number}.matrix"], tensors[f"{number}.bias"]) for number in numbers))


@dataclass(frozen=True, eq=False)
class FeatureFusion:
    """A network over the hidden states of both classifiers.

    Attributes:
        network: Over E1 + E2 features, the image's first.
        image_width: E1, 1 or more.
        labels: The C names.

    Raises:
        UsageError: The network leaves no place for the text classifier's features, or has other classes than labels.
    """

    network: FeedForward
    image_width: int
    labels: LabelSet
    concurrent = True

    def __post_init__(self) -> None:
        if self.network.classes != len(self.labels):
            raise UsageError(f"a network of {self.network.classes} classes for {len(self.labels)} labels")
        if not 0 < self.image_width < self.network.width:
            raise UsageError(f"an image's width of {self.image_width} in a network over {self.network.width} features")

    @property
    def id(self) -> str:
        """Changes with the network and the labels."""
        return f"{KIND}-{fingerprint(self.labels.names, self.image_width, *self.network.tensors().values())}"

    def save(self, folder: Path) -> None:
        """Writes the network and the card."""
        card = {"labels": list(self.labels), "image_width": self.image_width}
        write_part(folder, KIND, card, weights__npz=npz(**self.network.tensors()))

    def fuse_features(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]``, rows sum to 1.

        Args:
            image: float32 ``[N, E1]``, the image's hidden states.
            text: float32 ``[N, E2]``, those of the text classifier.

        Raises:
            UsageError: Not one of each an item, or another width than was fitted.
        """
        widths = self.image_width, self.network.width - self.image_width
        if image.ndim != 2 or text.ndim != 2 or len(image) != len(text) or (image.shape[1], text.shape[1]) != widths:
            raise UsageError(
                f"needs hidden states [N, {widths[0]}] and [N, {widths[1]}],"
                f" got {list(image.shape)} and {list(text.shape)}"
            )
        return self.network.scores(np.concatenate([image, text], axis=1))


def load(model: str, options: PartOptions) -> FeatureFusion:
    """Loads a saved fusion, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged.
        UsageError: ``options.weight``: a network over features has no weight.
    """
    if options.weight is not None:
        raise UsageError("feature fusion has no weight", item="weight", remedy="leave it out, or choose another fusion")
    folder = open_part(model, "fusion")
    try:
        network = FeedForward.from_tensors(folder.arrays("weights.npz"))
        return FeatureFusion(network, int(folder.card["image_width"]), folder.labels)
    except UsageError as error:
        raise BundleError(f"the numbers do not fit: {error}", item=str(folder.path), remedy="save it again") from error
