"""CIDEr-D (Vedantam, Zitnick and Parikh 2015, section 7), as pycocoevalcap's ``Cider`` computes it.

That class's figure is what captioning papers report as CIDEr: consensus by tf-idf weighted n-grams of 1 to 4 words, with
counts clipped to the reference's and a Gaussian penalty on the difference of lengths. It ranges over 0..10.

Shapes: N items; M hypotheses; R references of all items; K distinct n-grams of one order; E entries of one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagist.errors import UsageError
from imagist.metrics.ngrams import ORDERS, Ints, NGrams, References

Floats = NDArray[np.float64]

SIGMA = 6.0  # of the length penalty, in words


@dataclass(frozen=True, eq=False)
class _Vectors:
    """The references' tf-idf vectors over the n-grams of one order.

    Attributes:
        idf: float64 ``[K + 1]``, log inverse document frequency; the last is that of an n-gram no document has.
        tfidf: float64 ``[E]``, in the order of the references' entries.
        norm: float64 ``[R]``, length of each vector; 1 where that is 0.
        run_end: int64 ``[U]``, where the references' runs of entries end.
    """

    idf: Floats
    tfidf: Floats
    norm: Floats
    run_end: Ints


class CiderD:
    """CIDEr-D against fixed references: weighs them once, then scores as many hypotheses as wanted.

    Args:
        references: One or more tokenised sentences for each of N items.
        corpus: Items whose document frequencies weigh the n-grams; by default the references themselves.

    Raises:
        UsageError: No items, or an item without a reference.
    """

    def __init__(
        self, references: Sequence[Sequence[str]] | References, corpus: Sequence[Sequence[str]] | None = None
    ) -> None:
        self._references = references if isinstance(references, References) else References(references)
        documents = self._references if corpus is None else References(corpus)
        self._vectors = [self._weigh(order, idf) for order, idf in enumerate(self._inverse_frequencies(documents))]

    def _inverse_frequencies(self, documents: References) -> list[Floats]:
        """For each order, float64 ``[K + 1]`` as in `_Vectors`."""
        inverse = []
        numbers = documents.ngrams.numbers_of(self._references.ngrams)
        for order, runs, number in zip(documents.ngrams.orders, documents.runs, numbers, strict=True):
            frequency = np.append(np.bincount(order.gram[runs], minlength=len(order.keys)), 0)
            inverse.append(np.log(len(documents)) - np.log(np.maximum(1, frequency[np.append(number, -1)])))
        return inverse

    def _weigh(self, order: int, idf: Floats) -> _Vectors:
        entries = self._references.ngrams.orders[order]
        tfidf = entries.count * idf[entries.gram]
        norm = _norms(entries.sentence, tfidf, len(self._references.owner))
        return _Vectors(idf, tfidf, norm, np.append(self._references.runs[order][1:], len(tfidf)))

    def scores(self, hypotheses: Sequence[str] | NGrams, items: Sequence[int] | Ints | None = None) -> Floats:
        """CIDEr-D of each hypothesis, float64 ``[M]``, 0..10.

        Args:
            hypotheses: M tokenised sentences.
            items: The item, 0..N-1, that each is about, in any order and as often as wanted; by default M = N and each
                is about its own.

        Raises:
            UsageError: Not one item a hypothesis, or an item that is not there.
        """
        references = self._references
        ngrams = hypotheses if isinstance(hypotheses, NGrams) else NGrams(hypotheses)
        item = np.arange(len(references)) if items is None else np.asarray(items, dtype=np.int64)
        if len(item) != len(ngrams.lengths):
            raise UsageError(f"{len(ngrams.lengths)} hypotheses for {len(item)} items", remedy="give one for each")
        if len(item) and not 0 <= item.min() <= item.max() < len(references):
            raise UsageError(f"an item is not in 0..{len(references) - 1}")
        length, reference_length = _penalised(ngrams), _penalised(references.ngrams)
        total = np.zeros(len(item))
        matches = zip(ngrams.orders, references.ngrams.orders, references.matches(ngrams, item), strict=True)
        for vectors, runs, (own, theirs, (gram, run)) in zip(self._vectors, references.runs, matches, strict=True):
            tfidf = own.count * vectors.idf[gram]
            norm = _norms(own.sentence, tfidf, len(item))
            matched = np.flatnonzero(run >= 0)
            entry, of = _ranges(runs[run[matched]], vectors.run_end[run[matched]])
            hypothesis, reference = own.sentence[matched][of], theirs.sentence[entry]
            product = np.minimum(tfidf[matched][of], vectors.tfidf[entry]) * vectors.tfidf[entry]
            cosine = product / (norm[hypothesis] * vectors.norm[reference])
            penalty = np.exp(-((length[hypothesis] - reference_length[reference]) ** 2) / (2 * SIGMA**2))
            total += np.bincount(hypothesis, cosine * penalty, len(item))
        return np.asarray(10 * total / ORDERS / references.of_item[item])


def cider(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Mean CIDEr-D of N tokenised hypotheses, 0..10, with the document frequencies of their own references.

    Raises:
        UsageError: No items, an item without a reference, or not one hypothesis an item.
    """
    return float(CiderD(references).scores(hypotheses).mean())


def _penalised(ngrams: NGrams) -> Ints:
    """The length that the penalty compares: a sentence's bigrams, as in pycocoevalcap."""
    return np.maximum(0, ngrams.lengths - 1)


def _norms(sentence: Ints, tfidf: Floats, sentences: int) -> Floats:
    norm = np.sqrt(np.bincount(sentence, tfidf**2, sentences))
    return np.where(norm == 0, 1.0, norm)


def _ranges(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """All integers of the ranges ``start[i]..end[i] - 1``, one range after the other, and the i of each."""
    lengths = end - start
    of = np.repeat(np.arange(len(start)), lengths)
    return np.arange(len(of)) + (start - np.cumsum(lengths) + lengths)[of], of
