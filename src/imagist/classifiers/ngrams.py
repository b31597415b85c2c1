"""The words of a text and their pairs, and how often they occur: the features of TF-IDF.

Shapes: N texts; W n-grams.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from imagist.arrays import Array

_WORD = re.compile(r"[\w'-]+")


def ngrams_of(text: str) -> Iterator[str]:
    """The words of a text in lower case, then each pair of neighbours, joined by a space."""
    words = _WORD.findall(text.lower())
    yield from words
    yield from map(" ".join, pairwise(words))


def counts(texts: Sequence[str], places: Mapping[str, int]) -> Array:
    """Counts n-grams: float32 ``[N, W]``; ``places`` has the column of each, others are ignored."""
    table = np.zeros((len(texts), len(places)), np.float32)
    for row, text in zip(table, texts, strict=True):
        for ngram, number in Counter(ngrams_of(text)).items():
            if (place := places.get(ngram)) is not None:
                row[place] = number
    return table
