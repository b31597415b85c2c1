"""Which of a photo's hypotheses people would agree with: the CIDEr-D that each may expect.

A search finds good sentences and cannot tell them from the others: its own probabilities say little more than which
are usual. A network that looks at the photo for *concepts* alone, phrases that people say of such photos, tells better.
CIDEr-D is a sum over the n-grams that a sentence shares with a reference, so what is to be expected of it takes no more
than how likely each n-gram is to be in one.

Fang et al. 2015, "From Captions to Visual Concepts and Back", for concepts that rank a captioner's hypotheses; Vedantam
et al. 2015, "CIDEr", for what they are worth. How concepts are learnt: `imagist.training.captioners.concepts`.

Shapes: G concepts; K sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagist.arrays import Floats
from imagist.captioning.reranking.mbr import ORDERS
from imagist.errors import BundleError

_RARE = 3  # photos that a phrase which is no concept is taken to be said of


@dataclass(frozen=True, eq=False)
class Concepts:
    """Phrases of 1 to 4 words that people say of photos, and what it is worth to say them too.

    Attributes:
        counts: For each of G phrases, in order, of how many photos somebody said it.
        photos: How many photos there were.
        lengths: The usual length of a sentence's tf-idf vector, of its 1-grams to its 4-grams.
        weight: How many times the expected CIDEr-D (0..10) counts beside a hypothesis's agreement with the others.
        power: A vector's length divides what is expected to this power. 1 is CIDEr-D's own cosine; less is kinder to
            sentences that say more, which the search has too few of.
    """

    counts: Mapping[str, int]
    photos: int
    lengths: tuple[float, ...]
    weight: float
    power: float
    _places: Mapping[str, int] = field(init=False, repr=False)
    _squares: Floats = field(init=False, repr=False)  # of log inverse frequencies; the last is a rare phrase's

    def __post_init__(self) -> None:
        counts = np.array([*self.counts.values(), _RARE])
        object.__setattr__(self, "_places", {phrase: place for place, phrase in enumerate(self.counts)})
        object.__setattr__(self, "_squares", np.log(max(self.photos, _RARE) / counts) ** 2)

    def reranker_score(self, sentences: Iterable[str], shares: NDArray[np.floating]) -> Floats:
        """What each sentence is worth beside its agreement with the others: float64 ``[K]``, 0 or more.

        Args:
            sentences: Words parted by single spaces.
            shares: How many of a photo's references are expected to have each concept, ``[G]``, 0..1.
        """
        earned = np.append(shares.astype(np.float64), 0.0) * self._squares
        return self.weight * np.array([self._expected(sentence.split(), earned) for sentence in sentences])

    def _expected(self, words: list[str], earned: Floats) -> float:
        total = 0.0
        for said, usual in zip(ngrams(words), self.lengths, strict=True):
            places = [self._places.get(phrase, -1) for phrase in said]
            length = float(self._squares[places].sum()) ** 0.5
            if length:
                total += float(earned[places].sum()) / usual**2 * (usual / length) ** self.power
        return 10 * total / ORDERS


def ngrams(words: Sequence[str]) -> list[list[str]]:
    """The different phrases of 1, 2, 3 and 4 of these words, in order, each with single spaces."""
    return [
        list(dict.fromkeys(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))) for n in range(1, ORDERS + 1)
    ]


def written(concepts: Concepts) -> str:
    """A table of the phrases and their counts, as `read` takes it."""
    return "".join(f"{phrase}\t{count}\n" for phrase, count in concepts.counts.items())


def read(lines: Sequence[str], card: Mapping[str, Any]) -> Concepts:
    """The concepts of a bundle.

    Args:
        lines: As `written`.
        card: The other attributes, by name.

    Raises:
        BundleError: They are not what they should be.
    """
    try:
        pairs = [line.split("\t") for line in lines]
        counts = {phrase: int(count) for phrase, count in pairs}
        lengths = tuple(map(float, card["lengths"]))
        if len(lengths) != ORDERS or not all(length > 0 for length in lengths) or not all(counts.values()):
            raise ValueError("numbers that cannot be")
        return Concepts(counts, int(card["photos"]), lengths, float(card["weight"]), float(card["power"]))
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"the concepts cannot be understood: {error}", item="concepts.txt", remedy="install the model anew"
        ) from error
