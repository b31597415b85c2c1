"""Small networks over features: of both sources at once (feature level), or of the image alone (distilled).

Fitted by `imagist.training.classifiers`, run here in numpy.

Shapes: N items; C classes; D features; E1, E2 widths of the image's and the words' hidden states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagist.classifiers.fusion.opinions import softmax
from imagist.errors import UsageError
from imagist.records import Array, LabelSet


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

    def scores(self, features: NDArray[Any]) -> Array:
        """float32 ``[N, C]`` from ``[N, in]``, rows sum to 1.

        Raises:
            UsageError: Features of another width.
        """
        if features.ndim != 2 or features.shape[1] != self.width:
            raise UsageError(f"needs features [N, {self.width}], got {list(features.shape)}")
        x = np.asarray(features, dtype=np.float32)
        for matrix, bias in self.layers[:-1]:
            x = np.maximum(x @ matrix + bias, 0)
        return softmax(x @ self.layers[-1][0] + self.layers[-1][1])

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

    Raises:
        UsageError: The network leaves no place for the words' hidden state.
    """

    network: FeedForward
    image_width: int

    def __post_init__(self) -> None:
        if not 0 < self.image_width < self.network.width:
            raise UsageError(f"an image's width of {self.image_width} in a network over {self.network.width} features")

    def fuse_features(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]``, rows sum to 1.

        Args:
            image: float32 ``[N, E1]``, the image's hidden states.
            text: float32 ``[N, E2]``, the words'.

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


@dataclass(frozen=True, eq=False)
class Distilled:
    """An image classifier that learned from a fused teacher: it needs no caption.

    Attributes:
        labels: C names.
        network: Over the D features of an image.

    Raises:
        UsageError: The network has other classes than there are labels.
    """

    labels: LabelSet
    network: FeedForward

    def __post_init__(self) -> None:
        if self.network.classes != len(self.labels):
            raise UsageError(f"a network of {self.network.classes} classes for {len(self.labels)} labels")

    def scores_of(self, features: NDArray[Any]) -> Array:
        """float32 ``[N, C]`` from features ``[N, D]``, rows sum to 1.

        Raises:
            UsageError: Features of another width.
        """
        return self.network.scores(features)
