"""What each kind of part must do: one or two methods each.

N items in, N results out, in order. Parts are safe to call from one thread at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from imagist.records import Array, Caption, LabelSet, Photo


@runtime_checkable
class Captioner(Protocol):
    """Writes a sentence about each photo."""

    @property
    def id(self) -> str:
        """Names the model and its settings; goes into every record and cache key."""
        ...

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order; independent of what else is in the batch."""
        ...


@runtime_checkable
class TextClassifier(Protocol):
    """Gives categories to sentences."""

    @property
    def labels(self) -> LabelSet:
        """C names, in a fixed order."""
        ...

    def scores(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        ...


@runtime_checkable
class ImageClassifier(Protocol):
    """Gives categories to photos."""

    @property
    def labels(self) -> LabelSet:
        """C names, in a fixed order."""
        ...

    def scores(self, photos: Sequence[Photo]) -> Array:
        """float32 ``[N, C]``, rows sum to 1."""
        ...


@runtime_checkable
class Fusion(Protocol):
    """Joins two opinions over the same C labels."""

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from two of the same shape; rows sum to 1."""
        ...
