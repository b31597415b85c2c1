"""CIDEr and CIDEr-D (Vedantam, Zitnick and Parikh 2015), both over 0..10.

The name stands for two metrics. The paper's section 4 defines **CIDEr**, the cosine of tf-idf weighted counts of
n-grams of 1 to 4 words: `UnclippedCider`, as the authors' own ``pyciderevalcap`` computes it, without stemming.
Section 7 defines **CIDEr-D**, which clips the counts to the reference's and has a Gaussian penalty on the difference of
lengths, against captions that repeat a few rare words: `CiderD`. pycocoevalcap's ``Cider``, which most papers report as
"CIDEr", computes CIDEr-D, and so does `cider`.

Shapes: N items; M hypotheses; R references of all items; K distinct n-grams of one order of the documents; E
entries of one order, U runs of them (see `ngrams`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imagist.arrays import Floats, Ints
from imagist.errors import UsageError
from imagist.metrics.ngrams import ORDERS, NGrams, References

SIGMA = 6.0  # of the length penalty, in words


@dataclass(frozen=True, eq=False)
class _Vectors:
    """The references' tf-idf vectors over the n-grams of one order.

    Attributes:
        tfidf: float64 ``[E]``, in the order of the references' entries.
        norm: float64 ``[R]``, length of each vector, or 1 if it is 0.
        run_end: int64 ``[U]``, where the references' runs of entries end.
    """

    tfidf: Floats
    norm: Floats
    run_end: Ints


class CiderD:
    """CIDEr-D against fixed references, which are weighted once for any number of hypotheses.

    Args:
        references: One or more tokenised sentences for each of N items.
        corpus: Items for the document frequencies; by default the references.

    Raises:
        UsageError: No items, or an item without a reference.
    """

    def __init__(
        self, references: Sequence[Sequence[str]] | References, corpus: Sequence[Sequence[str]] | None = None
    ) -> None:
        self._references = references if isinstance(references, References) else References(references)
        self._documents = self._references if corpus is None else References(corpus)
        self._idf = [self._inverse_frequency(order) for order in range(ORDERS)]
        self._vectors = list(map(self._weigh, range(ORDERS), self._tfidf(self._references.ngrams)))

    def _inverse_frequency(self, order: int) -> Floats:
        """Log inverse document frequencies of the documents' n-grams, and last of an unseen one: ``[K + 1]``."""
        grams, runs = self._documents.ngrams.orders[order], self._documents.runs[order]
        frequency = np.bincount(grams.gram[runs], minlength=len(grams.keys) + 1)
        return np.asarray(np.log(len(self._documents)) - np.log(np.maximum(1, frequency)))

    def _tfidf(self, ngrams: NGrams) -> Iterator[Floats]:
        """For each order, float64 ``[E]``: the weight of each entry."""
        numbers = self._documents.ngrams.numbers_of(ngrams)
        for order, idf, number in zip(ngrams.orders, self._idf, numbers, strict=True):
            yield order.count * idf[number][order.gram]

    def _weigh(self, order: int, tfidf: Floats) -> _Vectors:
        entries, runs = self._references.ngrams.orders[order], self._references.runs[order]
        norm = _norms(entries.sentence, tfidf, len(self._references.owner))
        return _Vectors(tfidf, norm, np.append(runs[1:], len(tfidf)))

    def _similarity(self, hypothesis: Floats, reference: Floats, apart: Ints) -> Floats:
        """The terms of the dot product of two sentences' vectors, one for each shared n-gram.

        Args:
            hypothesis: Its weights in the hypothesis.
            reference: Its weights in the reference.
            apart: Difference of the sentences' lengths, in words.
        """
        clipped: Floats = np.minimum(hypothesis, reference) * reference
        return clipped * np.exp(-(apart**2) / (2 * SIGMA**2))

    def scores(self, hypotheses: Sequence[str] | NGrams, items: Sequence[int] | Ints | None = None) -> Floats:
        """The score of each hypothesis, float64 ``[M]``, 0..10.

        Args:
            hypotheses: M tokenised sentences.
            items: The item of each, 0..N-1, in any order; by default M = N, one hypothesis an item in order.

        Raises:
            UsageError: Not one item a hypothesis, or an unknown item.
        """
        references = self._references
        ngrams = hypotheses if isinstance(hypotheses, NGrams) else NGrams(hypotheses)
        item = np.arange(len(references)) if items is None else np.asarray(items, dtype=np.int64)
        if len(item) != len(ngrams.lengths):
            raise UsageError(f"{len(ngrams.lengths)} hypotheses for {len(item)} items", remedy="give one for each")
        if len(item) and not 0 <= item.min() <= item.max() < len(references):
            raise UsageError(f"an item is not in 0..{len(references) - 1}")
        total = np.zeros(len(item))
        for order, (run, tfidf) in enumerate(zip(references.matches(ngrams, item), self._tfidf(ngrams), strict=True)):
            own, theirs, vectors = ngrams.orders[order], references.ngrams.orders[order], self._vectors[order]
            norm = _norms(own.sentence, tfidf, len(item))
            matched = np.flatnonzero(run >= 0)
            entry, of = _ranges(references.runs[order][run[matched]], vectors.run_end[run[matched]])
            hypothesis, reference = own.sentence[matched][of], theirs.sentence[entry]
            apart = ngrams.lengths[hypothesis] - references.ngrams.lengths[reference]
            product = self._similarity(tfidf[matched][of], vectors.tfidf[entry], apart)
            total += np.bincount(hypothesis, product / (norm[hypothesis] * vectors.norm[reference]), len(item))
        return np.asarray(10 * total / ORDERS / references.of_item[item])


class UnclippedCider(CiderD):
    """CIDEr as first defined, without clipping and length penalty; higher than CIDEr-D and easier to game.

    Args:
        references: As in `CiderD`.
        corpus: As in `CiderD`.
    """

    def _similarity(self, hypothesis: Floats, reference: Floats, apart: Ints) -> Floats:
        return hypothesis * reference


def cider(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Mean CIDEr-D of N tokenised hypotheses, 0..10, with the document frequencies of their own references.

    This is pycocoevalcap's CIDEr, which papers report under that name.

    Raises:
        UsageError: No items, an item without a reference, or not one hypothesis an item.
    """
    return float(CiderD(references).scores(hypotheses).mean())


def _norms(sentence: Ints, tfidf: Floats, sentences: int) -> Floats:
    norm = np.sqrt(np.bincount(sentence, tfidf**2, sentences))
    return np.where(norm == 0, 1.0, norm)


def _ranges(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """All integers of the ranges ``start[i]..end[i] - 1``, one range after the other, and the i of each."""
    lengths = end - start
    of = np.repeat(np.arange(len(start)), lengths)
    return np.arange(len(of)) + (start - np.cumsum(lengths) + lengths)[of], of
