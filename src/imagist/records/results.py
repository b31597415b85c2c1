"""What the parts return: captions, and predictions over a label set.

Shapes: C classes; T words of a caption; h, w cells of the encoder's grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Array
from imagist.errors import UsageError
from imagist.records.flat import as_record, shortest


@dataclass(frozen=True)
class Hypothesis:
    """One of the n best captions: its text and the sum of its words' natural log-probabilities."""

    text: str
    logprob: float


@dataclass(frozen=True)
class Phrase:
    """A phrase that was chosen for an image by image-text similarity.

    Attributes:
        text: The phrase.
        similarity: Its cosine with the image, -1..1.
        role: What it is for, one of `imagist.matching.phrases.ROLES`.
        gain: What it added to the cosine between the image and the text before it; None where that was not computed.
    """

    text: str
    similarity: float
    role: str = "flavors"
    gain: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Values that JSON can hold, as in the field ``phrases`` of a record."""
        gain = None if self.gain is None else shortest(self.gain)
        return {"text": self.text, "similarity": shortest(self.similarity), "gain": gain, "role": self.role}


@dataclass(frozen=True, eq=False)
class Caption:
    """The caption of one image.

    Attributes:
        text: The sentence, tokens joined by single spaces.
        logprob: Sum of natural log-probabilities of its words and of the end, <= 0.
        tokens: The T words of the text.
        nbest: The best hypotheses, most probable by the captioner's own ranking first; the first is this caption.
        attention: float32 ``[T, h, w]``, each map summing to 1; None where the model has no attention.
        phrases: The phrases that an interrogator added: the text ends in them, in this order.
        similarity: The cosine between the image and the text, -1..1; None where no matcher computed it.
    """

    text: str
    logprob: float
    tokens: tuple[str, ...] = ()
    nbest: tuple[Hypothesis, ...] = ()
    attention: Array | None = None
    phrases: tuple[Phrase, ...] = ()
    similarity: float | None = None

    @property
    def sentence(self) -> str:
        """The text without its phrases."""
        text = self.text
        for phrase in reversed(self.phrases):
            text = text.removesuffix(phrase.text).rstrip(", ")
        return text

    def fields(self) -> dict[str, object]:
        """``CAPTION_FIELDS`` of a record, and ``similarity`` where it was computed; see `imagist.records.flat`."""
        own = {} if self.similarity is None else {"similarity": shortest(self.similarity)}
        return {
            "caption": self.text,
            "caption_logprob": shortest(self.logprob),
            "nbest": [{"text": h.text, "logprob": shortest(h.logprob)} for h in self.nbest],
            **own,
        }


@dataclass(frozen=True)
class Recognised:
    """A thing that an encoder recognises in an image.

    Attributes:
        label: Its wnid, such as ``n02123045``.
        name: Its first name, such as ``tabby``; two things may have the same.
        probability: 0 to 1, among all classes of the encoder.
    """

    label: str
    name: str
    probability: float


@dataclass(frozen=True)
class LabelSet:
    """C distinct category names in a fixed order.

    Raises:
        UsageError: No names, an empty name, or a name given twice.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        twice = sorted({n for n in self.names if n.strip() and self.names.count(n) > 1})
        if not self.names or twice or not all(n.strip() for n in self.names):
            fault = f"twice {', '.join(twice)}" if twice else "one is empty" if self.names else "there are none"
            raise UsageError(f"a label set needs distinct, non-empty names: {fault}", remedy="name each label once")

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


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The pipeline's prediction for one image.

    Attributes:
        source: Where the image came from, as the user would name it.
        caption: The caption, with its log-probability, n-best and attention.
        labels: The C categories that the probabilities are over.
        probabilities: float32 ``[C]``, fused and calibrated, sums to 1.
        image_probabilities: float32 ``[C]``, by the image classifier alone.
        text_probabilities: float32 ``[C]``, by the text classifier alone.
        abstained: Whether the top probability is below the chosen threshold; then ``label`` is None.
        recognised: The likeliest of the encoder's own classes, best first; empty where it has none.
        caption_confidence: Probability that the caption names what the image shows, 0 to 1; None where the model has
            no matcher that tells.
        perceptual_hash: 64 bits of the image, as `imagist.datasets.near_duplicates.perceptual_hash` returns them; None
            where nobody asked for them.
    """

    source: str
    caption: Caption
    labels: LabelSet
    probabilities: Array
    image_probabilities: Array
    text_probabilities: Array
    abstained: bool = False
    recognised: tuple[Recognised, ...] = ()
    caption_confidence: float | None = None
    perceptual_hash: int | None = None

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
        """The most probable category by the image classifier alone."""
        return self.labels.names[int(self.image_probabilities.argmax())]

    @property
    def text_label(self) -> str:
        """The most probable category by the text classifier alone."""
        return self.labels.names[int(self.text_probabilities.argmax())]

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k most probable categories with their fused probabilities, best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels.names[i], float(self.probabilities[i])) for i in order]

    def fields(self) -> dict[str, object]:
        """``PREDICTION_FIELDS`` of a record, and the hash where there is one; see `imagist.records.flat`."""
        hashed = {} if self.perceptual_hash is None else {"perceptual_hash": f"{self.perceptual_hash:016x}"}
        return {
            "caption": self.caption.text,
            "caption_logprob": shortest(self.caption.logprob),
            "caption_confidence": None if self.caption_confidence is None else shortest(self.caption_confidence),
            "recognised": {thing.name: shortest(thing.probability) for thing in self.recognised} or None,
            "label": self.label,
            "probability": shortest(self.probability),
            "image_label": self.image_label,
            "text_label": self.text_label,
            "probabilities": self._by_label(self.probabilities),
            "image_probabilities": self._by_label(self.image_probabilities),
            "text_probabilities": self._by_label(self.text_probabilities),
            **hashed,
        }

    def to_dict(self) -> dict[str, object]:
        """The record of the prediction: values that JSON can hold, by the names in `imagist.records.flat`."""
        return as_record(self.source, self)

    def __repr__(self) -> str:
        label = self.label if self.label is None else f"{self.label!r} {self.probability:.2f}"
        return f"<Prediction {self.source!r}: {label}, {self.caption.text!r}>"

    def _by_label(self, row: Array) -> dict[str, float]:
        return {name: shortest(p) for name, p in zip(self.labels, row, strict=True)}
