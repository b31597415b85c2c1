"""Reranks an image's caption hypotheses by the CIDEr-D that each may expect.

A search's own probabilities mostly tell which sentences are usual. A network that detects *concepts* in the image,
phrases that people often use of such images, ranks hypotheses better. CIDEr-D is a sum over the n-grams that a sentence
shares with a reference, so its expectation needs only the probability that each n-gram is in a reference.

Fang et al. 2015, "From Captions to Visual Concepts and Back", for concepts that rank a captioner's hypotheses; Vedantam
et al. 2015, "CIDEr", for their weights. `imagist.training.captioners.concepts` trains the detector.

Shapes: G concepts; K sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Floats
from imagist.captioning.reranking.mbr import ORDERS
from imagist.errors import BundleError

_RARE = 3  # assumed number of training images for a phrase that is not a concept


@dataclass(frozen=True, eq=False)
class Concepts:
    """Phrases of 1 to 4 words from captions, with the numbers that CIDEr-D needs of them.

    Attributes:
        counts: For each of G phrases, in order, the number of training images with a reference that contains it.
        photos: Number of training images.
        lengths: The usual length of a sentence's tf-idf vector, for 1-grams to 4-grams.
        weight: Factor of the expected CIDEr-D (0..10) when it is added to a hypothesis's expected similarity.
        power: Exponent of the vector's length in the denominator. 1 is CIDEr-D's cosine; less favours sentences that
            name more, which a search finds too few of.
    """

    counts: Mapping[str, int]
    photos: int
    lengths: tuple[float, ...]
    weight: float
    power: float
    _places: Mapping[str, int] = field(init=False, repr=False)
    _squares: Floats = field(init=False, repr=False)  # squared log inverse frequencies; last, that of other phrases

    def __post_init__(self) -> None:
        counts = np.array([*self.counts.values(), _RARE])
        object.__setattr__(self, "_places", {phrase: place for place, phrase in enumerate(self.counts)})
        object.__setattr__(self, "_squares", np.log(max(self.photos, _RARE) / counts) ** 2)

    def reranker_score(self, sentences: Iterable[str], shares: AnyArray) -> Floats:
        """The weighted expected CIDEr-D of each sentence: float64 ``[K]``, >= 0.

        Args:
            sentences: K sentences, words separated by single spaces.
            shares: Expected share of an image's references that contain each concept, ``[G]``, 0..1.
        """
        expected = np.append(shares.astype(np.float64), 0.0) * self._squares
        return self.weight * np.array([self._cider_d(sentence.split(), expected) for sentence in sentences])

    def _cider_d(self, words: list[str], expected: Floats) -> float:
        total = 0.0
        for phrases, usual in zip(ngrams(words), self.lengths, strict=True):
            places = [self._places.get(phrase, -1) for phrase in phrases]
            length = float(self._squares[places].sum()) ** 0.5
            if length:
                total += float(expected[places].sum()) / usual**2 * (usual / length) ** self.power
        return 10 * total / ORDERS


def ngrams(words: Sequence[str]) -> list[list[str]]:
    """The different phrases of 1, 2, 3 and 4 consecutive words, in order, words separated by single spaces."""
    return [
        list(dict.fromkeys(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))) for n in range(1, ORDERS + 1)
    ]


def to_lines(concepts: Concepts) -> str:
    """The content of a bundle's ``concepts.txt``: a phrase, a tab and its count on each line."""
    return "".join(f"{phrase}\t{count}\n" for phrase, count in concepts.counts.items())


def from_lines(lines: Sequence[str], card: Mapping[str, Any]) -> Concepts:
    """Reads the concepts of a bundle.

    Args:
        lines: Of `to_lines`.
        card: The other attributes, by name.

    Raises:
        BundleError: Lines or numbers are not valid.
    """
    try:
        pairs = [line.split("\t") for line in lines]
        counts = {phrase: int(count) for phrase, count in pairs}
        lengths = tuple(map(float, card["lengths"]))
        if len(lengths) != ORDERS or not all(length > 0 for length in lengths) or not all(counts.values()):
            raise ValueError("numbers out of range")
        return Concepts(counts, int(card["photos"]), lengths, float(card["weight"]), float(card["power"]))
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"the concepts cannot be understood: {error}", item="concepts.txt", remedy="install the model anew"
        ) from error
