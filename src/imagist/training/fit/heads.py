"""The linear classifiers of a fit, their penalties chosen by cross-validation.

Shapes: N examples; C classes; D features.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from imagist.arrays import Array, Ints, softmax
from imagist.classifiers.image.linear import LinearClassifier
from imagist.classifiers.text.tfidf import TfidfClassifier
from imagist.datasets.folds import Fold
from imagist.images.encoder import Encoder
from imagist.matching.zero_shot import Layer
from imagist.metrics.classes import negative_log_likelihood
from imagist.records import LabelSet
from imagist.training.classifiers.few_shot import CAUTION, fit_few_shot
from imagist.training.classifiers.linear import fit_linear, logits
from imagist.training.classifiers.text_tfidf import Tfidf, vocabulary

log = logging.getLogger("imagist.training")

PENALTIES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)  # for features of length 1
TOLERANCE = 1e-4  # of the optimiser: some forty fits are made
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
    fit: Fit[T],
    score: Score[T],
    targets: Ints,
    classes: int,
    folds: Sequence[Fold],
    penalties: Sequence[float] = PENALTIES,
    sample_weights: Array | None = None,
) -> CrossValidated[T]:
    """Chooses the penalty under which held-out examples are most likely, and fits all examples with it.

    Args:
        fit: From rows and a penalty to a classifier.
        score: From a classifier and rows to probabilities.
        targets: ``[N]``.
        classes: C.
        folds: Whose test rows together are all N rows.
        penalties: To choose from, strongest first.
        sample_weights: How much each held-out example counts, ``[N]``; None means all alike.
    """
    best: tuple[float, float, Array] | None = None
    worse = 0
    for penalty in penalties:
        scores = np.zeros((len(targets), classes), np.float32)
        for fold in folds:
            scores[fold.test] = score(fit(fold.train, penalty), fold.test)
        loss = negative_log_likelihood(scores, targets, sample_weights)
        log.info("penalty %.0e: held-out loss %.4f", penalty, loss)
        if best is None or loss < best[0]:
            best, worse = (loss, penalty, scores), 0
        elif (worse := worse + 1) == PATIENCE:
            break
    assert best is not None
    return CrossValidated(fit(np.arange(len(targets)), best[1]), best[2])


def fit_image_head(
    features: Array, targets: Ints, labels: LabelSet, folds: Sequence[Fold], encoder: Encoder, sample_weights: Array
) -> CrossValidated[LinearClassifier]:
    """A linear layer over features of length 1.

    Args:
        features: float32 ``[N, D]``.
        targets: ``[N]``.
        labels: The C names.
        folds: Of the N rows.
        encoder: That the features are of.
        sample_weights: float32 ``[N]``, > 0.
    """

    def fit(rows: Ints, penalty: float) -> LinearClassifier:
        weights = sample_weights[rows]
        matrix, bias = fit_linear(features[rows], targets[rows], weights, len(labels), penalty, TOLERANCE)
        return LinearClassifier(labels, encoder, matrix, bias, normalised=True)

    def score(classifier: LinearClassifier, rows: Ints) -> Array:
        return softmax(logits(features[rows], classifier.matrix, classifier.bias)).astype(np.float32)

    return cross_validated(fit, score, targets, len(labels), folds, sample_weights=sample_weights)


def fit_text_head(
    settings: Tfidf,
    captions: Sequence[str],
    targets: Ints,
    labels: LabelSet,
    folds: Sequence[Fold],
    sample_weights: Array,
) -> CrossValidated[TfidfClassifier]:
    """A linear layer over TF-IDF of captions.

    Args:
        settings: Of the vocabulary; its penalty, where it is not to be chosen.
        captions: N of them.
        targets: ``[N]``.
        labels: The C names.
        folds: Of the N rows.
        sample_weights: float32 ``[N]``, > 0.

    Raises:
        DataError: No n-gram is in enough captions.
    """

    def fit(rows: Ints, penalty: float) -> TfidfClassifier:
        texts = [captions[row] for row in rows]
        plain = vocabulary(texts, labels, settings.min_df, settings.max_features)
        features, weights = plain.hidden(texts), sample_weights[rows]
        matrix, bias = fit_linear(features, targets[rows], weights, len(labels), penalty, TOLERANCE)
        return TfidfClassifier(labels, plain.ngrams, plain.idf, matrix, bias)

    def score(classifier: TfidfClassifier, rows: Ints) -> Array:
        return classifier.scores([captions[row] for row in rows])

    penalties = PENALTIES if settings.penalty is None else (settings.penalty,)
    return cross_validated(fit, score, targets, len(labels), folds, penalties, sample_weights)


def fit_from_names(
    start: Layer, embeddings: Array, targets: Ints, folds: Sequence[Fold], seed: int, caution: float = CAUTION
) -> CrossValidated[Layer]:
    """A layer over embeddings that starts from the names of the labels.

    Args:
        start: From the names alone.
        embeddings: float32 ``[N, D]``.
        targets: ``[N]``.
        folds: Of the N rows; a class may be missing where a fold is fitted.
        seed: Of the choice of the strength.
        caution: As `fit_few_shot`.
    """
    found = fit_few_shot(start, embeddings, targets, caution=caution, seed=seed)
    log.info("starts from the names, scale %g, strength %g", found.scale, found.strength)
    how: dict[str, Any] = {"strengths": [found.strength], "scales": [found.scale]}
    scores = np.zeros((len(targets), len(start.labels)), np.float32)
    for fold in folds:
        layer = fit_few_shot(start, embeddings[fold.train], targets[fold.train], **how).layer
        scores[fold.test] = softmax(logits(embeddings[fold.test], layer.weights.T, layer.bias))
    return CrossValidated(found.layer, scores)
