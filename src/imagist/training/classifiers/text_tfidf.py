"""Fits `imagist.classifiers.text.tfidf`: logistic regression over TF-IDF, its penalty chosen on held-out texts.

Shapes: N texts; C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from imagist.arrays import AnyArray, Bools
from imagist.classifiers.text.tfidf import TfidfClassifier
from imagist.errors import DataError
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.records import LabelSet
from imagist.training.embedded.heads import best_terms, fit_linear, inverse_frequency

log = logging.getLogger("imagist.training")

PENALTIES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)

Examples = tuple[Sequence[str], AnyArray]


@dataclass(frozen=True)
class Bag:
    """TF-IDF over words and pairs of words, then a linear layer.

    Attributes:
        kind: Tells this table from those of other classifiers.
        least: A word or pair is known from so many texts on.
        most: So many of them at most, the most frequent.
        penalty: Of the sum of squared weights, relative to the mean loss; none chooses the one of
            `PENALTIES` under which held-out texts are most likely: dev, or without one those of each fold in turn.
        folds: Folds to choose on without dev.
    """

    kind: Literal["bag"] = "bag"
    least: PositiveInt = 2
    most: PositiveInt = 5000
    penalty: PositiveFloat | None = None
    folds: Annotated[int, Field(ge=2)] = 3


def fit_bag(settings: Bag, train: Examples, labels: LabelSet, dev: Examples | None, seed: int) -> TfidfClassifier:
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
                "bag  penalty %.0e  accuracy %.4f of %d", PENALTIES[place], accuracy(scores, targets), len(targets)
            )
    best = PENALTIES[int(losses.argmin())]
    log.info("bag  penalty %.0e is chosen", best)
    return next(_fits(settings, train, labels, (best,)))


def _fits(settings: Bag, train: Examples, labels: LabelSet, penalties: Sequence[float]) -> Iterator[TfidfClassifier]:
    """A classifier for each penalty."""
    known = best_terms(train[0], settings.least)[: settings.most]
    if not known:
        raise DataError("no word is in enough texts", item=f"least = {settings.least}", remedy="ask for fewer")
    nothing = np.zeros((len(known), len(labels)), np.float32)
    plain = TfidfClassifier(labels, known, np.ones(len(known), np.float32), nothing, nothing[0])
    idf = inverse_frequency(plain.hidden(train[0]))
    seen = replace(plain, idf=idf).hidden(train[0])
    goal, importance = train[1].astype(np.int64), np.ones(len(seen), np.float32)
    for penalty in penalties:
        yield TfidfClassifier(labels, known, idf, *fit_linear(seen, goal, importance, len(labels), penalty))


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
