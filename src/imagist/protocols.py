"""What each kind of part does: one or two methods each, and what all parts have besides.

N items in, N results out, in order.

Every part has

- an ``id`` that changes with anything its answers depend on (weights, settings): journals, caches and studies go by it;
- ``save(folder)``, which writes a folder that its kind's loader in `imagist.registry` opens again as an equal part;
- ``concurrent``: whether several threads may call it at once.

Shapes: N items; M texts; C classes; D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from imagist.arrays import Array
from imagist.records import Caption, LabelSet, Photo


class Part(Protocol):
    """What every kind of part has."""

    @property
    def id(self) -> str:
        """Names the part with its weights and settings."""
        ...

    @property
    def concurrent(self) -> bool:
        """Whether several threads may call it at once."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the part into a folder, its card last (see `imagist.bundle.write_part`).

        Raises:
            OutputError: The folder cannot be written to.
        """
        ...


@runtime_checkable
class Captioner(Part, Protocol):
    """Writes a sentence about each photo."""

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order; independent of what else is in the batch."""
        ...


@runtime_checkable
class TextClassifier(Part, Protocol):
    """Classifies sentences."""

    @property
    def labels(self) -> LabelSet:
        """C names, in a fixed order."""
        ...

    def scores(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        ...


@runtime_checkable
class ImageClassifier(Part, Protocol):
    """Classifies photos."""

    @property
    def labels(self) -> LabelSet:
        """C names, in a fixed order."""
        ...

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        ...


@runtime_checkable
class TextFeatures(Protocol):
    """A text classifier with features: feature fusion and distillation take them."""

    def hidden(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, D]``, the states below the last layer."""
        ...


@runtime_checkable
class ImageFeatures(Protocol):
    """An image classifier with features: feature fusion and distillation take them."""

    def hidden(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, D]``, the states below the last layer."""
        ...


@runtime_checkable
class Fusion(Part, Protocol):
    """Fuses the probabilities of the image classifier and those of the text classifier."""

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from two of the same shape; rows sum to 1."""
        ...


@runtime_checkable
class FeatureLevelFusion(Part, Protocol):
    """Fuses the features of the two classifiers into probabilities of their labels."""

    def fuse_features(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from ``[N, D1]`` and ``[N, D2]``; rows sum to 1."""
        ...


@runtime_checkable
class Calibration(Part, Protocol):
    """Makes probabilities honest without changing the order of the classes."""

    def image(self, probabilities: Array) -> Array:
        """float32 ``[N, C]`` from the image classifier's; rows sum to 1."""
        ...

    def text(self, probabilities: Array) -> Array:
        """float32 ``[N, C]`` from the text classifier's; rows sum to 1."""
        ...

    def fused(self, probabilities: Array) -> Array:
        """float32 ``[N, C]`` from the fused; rows sum to 1."""
        ...


@runtime_checkable
class Matcher(Part, Protocol):
    """Embeds photos and texts into one space, in which a photo lies near the texts that fit it."""

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax over texts, > 0: the inverse of the temperature."""
        ...

    def images(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, D]``, rows of length 1."""
        ...

    def texts(self, texts: Sequence[str]) -> Array:
        """float32 ``[M, D]``, rows of length 1; no text is cut off.

        Raises:
            UsageError: A text has more tokens than the matcher reads, and `PartOptions.long_texts` is ``refuse``.
        """
        ...


class GridEncoder(Part, Protocol):
    """Encodes photos; captioner and image classifier share what it computes."""

    @property
    def name(self) -> str:
        """By which a user chooses between the encoders of a space."""
        ...

    @property
    def version(self) -> str:
        """Of its folder, by which parts that are bound to it name it."""
        ...

    @property
    def views(self) -> str:
        """How a photo is made square; see `PartOptions`."""
        ...

    def grids(self, photos: Sequence[Photo]) -> list[Array]:
        """For each photo float32 ``[V, L, D]``: V views, the whole image first; L cells; D channels."""
        ...


class EncoderPool(Protocol):
    """Opens each encoder once, for all parts that use it."""

    def open(self, part: Path, card: Mapping[str, Any], options: PartOptions) -> GridEncoder:
        """The encoder of a part.

        Args:
            part: The part's folder, which lies in a model.
            card: Of the part: names the encoder by its version, or a space that several encoders may share.
            options: Views, threads, and which encoder of a space.
        """
        ...


class MatcherPool(Protocol):
    """Opens each matcher once, for all parts that use it."""

    def open(self, folder: Path, options: PartOptions) -> Matcher:
        """The matcher that lies in a folder."""
        ...


@dataclass(frozen=True, kw_only=True)
class PartOptions:
    """Settings that a loader takes beside a folder; a part ignores those it has no use for.

    Attributes:
        views: How a photo is made square: ``square``, ``letterbox`` or ``crops``.
        device: Where a torch model runs: ``cpu``, ``cuda``, ``mps``.
        threads: Processor threads within one run of a network, >= 1.
        taxonomy: The name of the categories asked for: fusions and calibrations may differ between taxonomies.
        weight: Fusion weight of the text classifier, 0 to 1; None is the fitted one.
        encoders: Shares encoders between parts; None opens them for this part alone.
        matchers: Shares matchers between parts; None opens them for this part alone.
        long_texts: What a matcher does with a text of more tokens than it reads: ``window`` embeds the text in windows
            and takes their mean, ``refuse`` raises an error.
        encoder: Which encoder of a part's space serves it, by name, such as ``lite`` or ``embedded``; None is the one
            that other parts use already, else ``lite`` where it is installed, else what the model has.
    """

    views: str = "square"
    device: str = "cpu"
    threads: int = 1
    taxonomy: str | None = None
    weight: float | None = None
    encoders: EncoderPool | None = None
    matchers: MatcherPool | None = None
    long_texts: str = "window"
    encoder: str | None = None
