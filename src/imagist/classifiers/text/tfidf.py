"""`tfidf`: TF-IDF over words and pairs of words, then a linear layer; needs NumPy alone.

Shapes: N texts; W n-grams; C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray, Array, softmax
from imagist.bundle import fingerprint, npz, open_part, write_part
from imagist.classifiers.ngrams import counts
from imagist.errors import BundleError
from imagist.protocols import PartOptions, TextClassifier
from imagist.records import LabelSet

KIND = "tfidf"
NGRAMS, WEIGHTS = "ngrams.txt", "weights.npz"
AT_A_TIME = 1024  # texts whose table is in memory


@dataclass(frozen=True, eq=False)
class TfidfClassifier:
    """Implements `imagist.protocols.TextClassifier`: ``softmax(tfidf @ matrix + bias)``.

    Attributes:
        labels: The C names.
        ngrams: The W words and pairs of words in the vocabulary.
        idf: Their inverse document frequency, float32 ``[W]``.
        matrix: float32 ``[W, C]``.
        bias: float32 ``[C]``.
    """

    labels: LabelSet
    ngrams: tuple[str, ...]
    idf: Array
    matrix: Array
    bias: Array
    concurrent = True

    @property
    def id(self) -> str:
        """Changes with weights, vocabulary and labels."""
        return f"{KIND}-{fingerprint(self.labels.names, self.ngrams, self.idf, self.matrix, self.bias)}"

    @cached_property
    def _places(self) -> dict[str, int]:
        """The column of each n-gram."""
        return {ngram: place for place, ngram in enumerate(self.ngrams)}

    def scores(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, C]``, rows sum to 1. A text without a word of the vocabulary gets the softmax of the bias."""
        scores = np.zeros((len(texts), len(self.labels)), np.float32)
        for begin in range(0, len(texts), AT_A_TIME):
            some = slice(begin, begin + AT_A_TIME)
            scores[some] = softmax(self.hidden(texts[some]) @ self.matrix + self.bias)
        return scores

    def hidden(self, texts: Sequence[str]) -> Array:
        """TF-IDF of the n-grams, float32 ``[N, W]``, rows of length 1 (or 0 where the text has none of them)."""
        table = counts(texts, self._places)
        table *= self.idf
        table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
        return table

    def attributions(self, texts: Sequence[str], targets: AnyArray) -> list[tuple[tuple[str, float], ...]]:
        """How much each word of each text speaks for a class ``[N]``, by `leave_one_out`."""
        return leave_one_out(self, texts, targets)

    def save(self, folder: Path) -> None:
        """Writes vocabulary, weights and card."""
        written = npz(idf=self.idf, matrix=self.matrix, bias=self.bias)
        ngrams = "".join(f"{ngram}\n" for ngram in self.ngrams).encode()
        write_part(folder, KIND, {"labels": list(self.labels)}, ngrams__txt=ngrams, weights__npz=written)


def load(model: str, options: PartOptions) -> TfidfClassifier:
    """Loads a saved classifier, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged.
    """
    folder = open_part(model, "text_classifier")
    labels, ngrams, arrays = folder.labels, folder.lines(NGRAMS), folder.arrays(WEIGHTS)
    shapes = {"idf": (len(ngrams),), "matrix": (len(ngrams), len(labels)), "bias": (len(labels),)}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise BundleError("vocabulary, labels and weights do not fit", item=str(folder.path), remedy="save it again")
    return TfidfClassifier(labels, ngrams, **arrays)


def leave_one_out(
    classifier: TextClassifier, texts: Sequence[str], targets: AnyArray
) -> list[tuple[tuple[str, float], ...]]:
    """How much the probability of a class falls when a word is taken out (Li et al. 2016), for any classifier.

    Args:
        classifier: Asked once, about every text and every text without one of its words.
        texts: N of them.
        targets: A class for each, ``[N]``.

    Returns:
        The words of each text, parted at blanks, in order, each with its share; below 0 where it speaks against.
    """
    words = [text.split() for text in texts]
    variants = [*texts, *(" ".join([*of[:i], *of[i + 1 :]]) for of in words for i in range(len(of)))]
    owners = [*range(len(texts)), *(owner for owner, of in enumerate(words) for _ in of)]
    scores = classifier.scores(variants)[np.arange(len(variants)), np.asarray(targets, np.int64)[owners]].astype(
        np.float64
    )
    falls = iter((scores[owners] - scores)[len(texts) :].tolist())
    return [tuple((word, next(falls)) for word in of) for of in words]
