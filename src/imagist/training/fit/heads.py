"""The two linear classifiers of a fit, their penalties chosen by cross-validation.

Shapes: N examples; C classes; D features.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from imagist.arrays import Array, Ints, softmax
from imagist.classifiers.image.linear import LinearClassifier
from imagist.classifiers.ngrams import counts, terms
from imagist.classifiers.text.tfidf import TfidfClassifier
from imagist.datasets.folds import Fold
from imagist.errors import DataError
from imagist.images.encoder import Encoder
from imagist.metrics.classes import negative_log_likelihood
from imagist.records import LabelSet
from imagist.training.classifiers.linear import fit_linear, logits

log = logging.getLogger("imagist.training")

PENALTIES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)  # for features of length 1
PATIENCE = 2  # weaker penalties that may be worse in a row before the search ends

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CrossValidated(Generic[T]):
    """A classifier fitted to all examples, and held-out scores of each.

    Attributes:
        classifier: Fitted to all rows.
        scores: float32 ``[N, C]``; each row by a classifier that was fitted without it.
    """

    classifier: T
    scores: Array


Fit = Callable[[Ints, float], T]
Score = Callable[[T, Ints], Array]


def cross_validated(
    fit: Fit[T], score: Score[T], targets: Ints, classes: int, folds: Sequence[Fold]
) -> CrossValidated[T]:
    """Chooses the penalty under which held-out examples are most likely, and fits all examples with it.

    Args:
        fit: From rows and a penalty to a classifier.
        score: From a classifier and rows to probabilities.
        targets: ``[N]``.
        classes: C.
        folds: Whose test rows together are all N rows.
    """
    best: tuple[float, float, Array] | None = None
    worse = 0
    for penalty in PENALTIES:
        scores = np.zeros((len(targets), classes), np.float32)
        for fold in folds:
            scores[fold.test] = score(fit(fold.train, penalty), fold.test)
        loss = negative_log_likelihood(scores, targets)
        log.info("penalty %.0e: held-out loss %.4f", penalty, loss)
        if best is None or loss < best[0]:
            best, worse = (loss, penalty, scores), 0
        elif (worse := worse + 1) == PATIENCE:
            break
    assert best is not None
    return CrossValidated(fit(np.arange(len(targets)), best[1]), best[2])


def fit_image_head(
    features: Array, targets: Ints, labels: LabelSet, folds: Sequence[Fold], encoder: Encoder
) -> CrossValidated[LinearClassifier]:
    """A linear layer over features of length 1.

    Args:
        features: float32 ``[N, D]``.
        targets: ``[N]``.
        labels: The C names.
        folds: Of the N rows.
        encoder: That the features are of.
    """

    def fit(rows: Ints, penalty: float) -> LinearClassifier:
        weights = np.ones(len(rows), np.float32)
        matrix, bias = fit_linear(features[rows], targets[rows], weights, len(labels), penalty)
        return LinearClassifier(labels, encoder, matrix, bias, normalised=True)

    def score(classifier: LinearClassifier, rows: Ints) -> Array:
        return softmax(logits(features[rows], classifier.matrix, classifier.bias)).astype(np.float32)

    return cross_validated(fit, score, targets, len(labels), folds)


def fit_text_head(
    captions: Sequence[str], targets: Ints, labels: LabelSet, folds: Sequence[Fold], min_df: int, max_features: int
) -> CrossValidated[TfidfClassifier]:
    """A linear layer over TF-IDF of captions.

    Args:
        captions: N of them.
        targets: ``[N]``.
        labels: The C names.
        folds: Of the N rows.
        min_df: An n-gram belongs to the vocabulary if it is in at least so many captions; with few captions, in one.
        max_features: Largest vocabulary.

    Raises:
        DataError: No caption has a word.
    """

    def fit(rows: Ints, penalty: float) -> TfidfClassifier:
        texts = [captions[row] for row in rows]
        plain = vocabulary(texts, labels, min_df, max_features)
        features, weights = plain.hidden(texts), np.ones(len(rows), np.float32)
        matrix, bias = fit_linear(features, targets[rows], weights, len(labels), penalty)
        return TfidfClassifier(labels, plain.ngrams, plain.idf, matrix, bias)

    def score(classifier: TfidfClassifier, rows: Ints) -> Array:
        return classifier.scores([captions[row] for row in rows])

    return cross_validated(fit, score, targets, len(labels), folds)


def vocabulary(texts: Sequence[str], labels: LabelSet, min_df: int, max_features: int) -> TfidfClassifier:
    """A classifier with vocabulary and IDF, whose weights are still 0.

    Raises:
        DataError: No caption has a word.
    """
    number = Counter(ngram for text in texts for ngram in set(terms(text)))
    known = sorted((g for g, n in number.items() if n >= min_df), key=lambda g: (-number[g], g))[:max_features]
    known = known or sorted(number, key=lambda g: (-number[g], g))[:max_features]
    if not known:
        raise DataError("no caption has a word", item="captions", remedy="choose another captioner")
    table = counts(texts, {ngram: place for place, ngram in enumerate(known)})
    idf = (np.log((1 + len(table)) / (1 + (table > 0).sum(0))) + 1).astype(np.float32)
    nothing = np.zeros((len(known), len(labels)), np.float32)
    return TfidfClassifier(labels, tuple(known), idf, nothing, nothing[0])
