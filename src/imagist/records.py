"""Frozen records that flow between the floors.

Shapes: H, W image height and width; N items; C classes; T words of a caption; h, w cells of the encoder's grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from imagist.arrays import Array as Array
from imagist.arrays import Pixels as Pixels
from imagist.errors import ImagistError, UsageError


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded image, upright, RGB, on white.

    Compared and hashed by identity, so that an encoder can remember what it computed for a photo while that lives.

    Attributes:
        pixels: uint8 ``[H, W, 3]``, RGB; may be smaller than the file (scaled decode).
        source: Where it came from, as the user would name it.
        size: ``(width, height)`` of the upright image before scaling, in pixels.
    """

    pixels: Pixels
    source: str = "<memory>"
    size: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if (
            self.pixels.dtype != np.uint8
            or self.pixels.ndim != 3
            or self.pixels.shape[2] != 3
            or 0 in self.pixels.shape
        ):
            raise UsageError(
                f"a photo needs uint8 pixels [H, W, 3], got {self.pixels.dtype} {list(self.pixels.shape)}",
                item=self.source,
                remedy="decode it with imagist.images.decode",
            )
        if self.size == (0, 0):
            object.__setattr__(self, "size", (self.pixels.shape[1], self.pixels.shape[0]))


@dataclass(frozen=True)
class Hypothesis:
    """One of the n best captions: its text and the sum of its words' natural log-probabilities."""

    text: str
    logprob: float


@dataclass(frozen=True, eq=False)
class Caption:
    """What a captioner says of one photo.

    Attributes:
        text: The sentence, tokens joined by single spaces.
        logprob: Sum of natural log-probabilities of its words and of the end, <= 0.
        tokens: The T words of the text.
        nbest: The best hypotheses, most probable by the captioner's own ranking first; the first is this caption.
        attention: float32 ``[T, h, w]``, each map summing to 1; None where the model has no attention.
    """

    text: str
    logprob: float
    tokens: tuple[str, ...] = ()
    nbest: tuple[Hypothesis, ...] = ()
    attention: Array | None = None


@dataclass(frozen=True)
class LabelSet:
    """C distinct category names in a fixed order.

    Raises:
        UsageError: No names, an empty name, or a name given twice.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        twice = sorted({n for n in self.names if self.names.count(n) > 1})
        if not self.names or twice or not all(n.strip() for n in self.names):
            raise UsageError(
                f"a label set needs distinct, non-empty names{': twice ' + ', '.join(twice) if twice else ''}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def index(self, name: str) -> int:
        """Position of a name.

        Raises:
            UsageError: The name is not in the set; the message lists those that are.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise UsageError(f"no label {name!r}", remedy=f"one of {', '.join(self.names)}") from None

    def as_mapping(self, row: Sequence[float] | Array) -> dict[str, float]:
        """``{label: probability}`` of one row of scores ``[C]``."""
        return {name: float(p) for name, p in zip(self.names, row, strict=True)}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the pipeline says of one photo.

    Attributes:
        source: Where the photo came from.
        caption: The caption, with its log-probability, n-best and attention.
        labels: The C categories that the probabilities are over.
        probabilities: float32 ``[C]``, fused and calibrated, sums to 1.
        image_probabilities: float32 ``[C]``, what the image alone says.
        text_probabilities: float32 ``[C]``, what the words alone say.
        abstained: True where the top probability is below the threshold asked for; then ``label`` is None.
    """

    source: str
    caption: Caption
    labels: LabelSet
    probabilities: Array
    image_probabilities: Array
    text_probabilities: Array
    abstained: bool = False

    @property
    def label(self) -> str | None:
        """The most probable category, or None where the pipeline abstained."""
        return None if self.abstained else self.labels.names[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """Fused probability of the most probable category."""
        return float(self.probabilities.max())

    @property
    def image_label(self) -> str:
        """The category that the image alone would get."""
        return self.labels.names[int(self.image_probabilities.argmax())]

    @property
    def text_label(self) -> str:
        """The category that the words alone would get."""
        return self.labels.names[int(self.text_probabilities.argmax())]

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k most probable categories with their fused probabilities, best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels.names[i], float(self.probabilities[i])) for i in order]


@dataclass(frozen=True, eq=False)
class Failure:
    """A row that could not be done: the same identity as a Prediction, and the typed error instead."""

    source: str
    error: ImagistError


@dataclass(frozen=True, eq=False)
class Row:
    """One input of a run, before it is read: its identity, how to get its bytes, and the columns it carries.

    Attributes:
        source: Path, address or ``manifest#row`` as the user would name it.
        content: Encoded bytes where the row holds them; None where they are to be read from ``source``.
        columns: Further columns of a manifest, carried through to the output under their own names.
        error: Set where the row is already known to be unusable (an empty cell, say).
    """

    source: str
    content: bytes | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    error: ImagistError | None = None
