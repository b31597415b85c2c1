"""Fits `imagist.classifiers.text.tfidf`: logistic regression over TF-IDF, its penalty chosen on held-out texts.

Shapes: N texts; C classes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from imagist.arrays import AnyArray, Bools
from imagist.classifiers.ngrams import counts, ngrams_of
from imagist.classifiers.text.tfidf import TfidfClassifier
from imagist.errors import DataError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.records import LabelSet
from imagist.training.classifiers.linear import PENALTIES, fit_linear

log = logging.getLogger("imagist.training")

Examples = tuple[Sequence[str], AnyArray]


@dataclass(frozen=True)
class Tfidf:
    """TF-IDF over words and pairs of words, then a linear layer.

    Attributes:
        kind: Tells this table from those of other classifiers.
        min_df: An n-gram belongs to the vocabulary if it is in at least so many texts.
        max_features: Largest vocabulary; the most frequent n-grams are kept.
        penalty: Of the sum of squared weights, relative to the mean loss; none chooses the one of
            `PENALTIES` under which held-out texts are most likely: dev, or without one those of each fold in turn.
        folds: Folds to choose on without dev.
    """

    kind: Literal["tfidf"] = "tfidf"
    min_df: PositiveInt = 2
    max_features: PositiveInt = 5000
    penalty: PositiveFloat | None = None
    folds: Annotated[int, Field(ge=2)] = 3


def fit_tfidf(settings: Tfidf, train: Examples, labels: LabelSet, dev: Examples | None, seed: int) -> TfidfClassifier:
    """Fits the classifier.

    Args:
        settings: Of it.
        train: Texts and their classes ``[N]``.
        labels: The C names.
        dev: What to choose the penalty on.
        seed: Of the folds where there is no dev.

    Raises:
        DataError: No word is in enough texts.
    """
    if settings.penalty is not None:
        return next(_fits(settings, train, labels, (settings.penalty,)))
    losses = np.zeros(len(PENALTIES))
    for known, (texts, targets) in [(train, dev)] if dev else _folds(train, settings.folds, seed):
        for place, classifier in enumerate(_fits(settings, known, labels, PENALTIES)):
            scores = classifier.scores(texts)
            losses[place] += negative_log_likelihood(scores, targets) * len(targets)
            log.info(
                "tfidf  penalty %.0e  accuracy %.4f of %d", PENALTIES[place], accuracy(scores, targets), len(targets)
            )
    best = PENALTIES[int(losses.argmin())]
    log.info("tfidf  penalty %.0e is chosen", best)
    return next(_fits(settings, train, labels, (best,)))


def _fits(settings: Tfidf, train: Examples, labels: LabelSet, penalties: Sequence[float]) -> Iterator[TfidfClassifier]:
    """A classifier for each penalty."""
    plain = vocabulary(train[0], labels, settings.min_df, settings.max_features)
    features = plain.hidden(train[0])
    goal, weights = train[1].astype(np.int64), np.ones(len(features), np.float32)
    for penalty in penalties:
        layer = fit_linear(features, goal, weights, len(labels), penalty)
        yield TfidfClassifier(labels, plain.ngrams, plain.idf, *layer)


def vocabulary(texts: Sequence[str], labels: LabelSet, min_df: int, max_features: int) -> TfidfClassifier:
    """A classifier with vocabulary and inverse document frequencies, and weights of 0.

    Args:
        texts: N of them.
        labels: The C names.
        min_df: An n-gram belongs to the vocabulary if it is in at least so many texts.
        max_features: Largest vocabulary; the most frequent n-grams are kept, equal ones in alphabetical order.

    Raises:
        DataError: No n-gram is in enough texts.
    """
    number = Counter(ngram for text in texts for ngram in set(ngrams_of(text)))
    known = sorted((g for g, n in number.items() if n >= min_df), key=lambda g: (-number[g], g))[:max_features]
    if not known:
        raise DataError("no word is in enough texts", item=f"min_df = {min_df}", remedy="lower it")
    table = counts(texts, {ngram: place for place, ngram in enumerate(known)})
    idf = (np.log((1 + len(table)) / (1 + (table > 0).sum(0))) + 1).astype(np.float32)  # as scikit-learn's
    nothing = np.zeros((len(known), len(labels)), np.float32)
    return TfidfClassifier(labels, tuple(known), idf, nothing, nothing[0])


def _folds(train: Examples, folds: int, seed: int) -> list[tuple[Examples, Examples]]:
    """Each text is held out once; every fold has about as many of a class as any other."""
    texts, targets = train
    order = np.random.default_rng(seed).permutation(len(texts))
    order = order[np.argsort(targets[order], kind="stable")]
    number = np.empty(len(texts), np.int64)
    number[order] = np.arange(len(texts)) % folds

    def of(rows: Bools) -> Examples:
        return [text for text, chosen in zip(texts, rows, strict=True) if chosen], targets[rows]

    used = np.unique(number)  # fewer than asked for where there are fewer texts
    if len(used) < 2:
        raise DataError("one text is too few to choose a penalty on", remedy="give the penalty, or more texts")
    return [(of(number != fold), of(number == fold)) for fold in used]
