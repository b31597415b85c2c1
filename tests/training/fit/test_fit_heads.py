"""The linear classifiers of a fit: penalties, held-out scores, vocabularies."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.datasets.folds import stratified
from imagist.errors import DataError
from imagist.records import LabelSet
from imagist.training.classifiers.text_tfidf import Tfidf, vocabulary
from imagist.training.fit.heads import PENALTIES, cross_validated, fit_text_head

LABELS = LabelSet(("cat", "dog"))
TEXTS = ["a cat on a mat", "the cat sleeps", "a small cat", "a dog runs", "the dog barks", "a big dog"] * 3
TARGETS = np.array([0, 0, 0, 1, 1, 1] * 3, np.int64)
ONES = np.ones(len(TEXTS), np.float32)


def test_every_row_is_scored_by_a_classifier_that_was_not_fitted_to_it():
    folds = stratified(TARGETS, 3, 0)
    seen = []

    def fit(rows, penalty):
        seen.append((tuple(rows), penalty))
        return set(rows)

    def score(classifier, rows):
        assert not classifier & set(rows)
        return np.full((len(rows), 2), 0.5, np.float32)

    found = cross_validated(fit, score, TARGETS, 2, folds)
    assert found.classifier == set(range(len(TARGETS)))
    assert found.scores.shape == (len(TARGETS), 2)


def test_the_penalty_of_least_held_out_loss_is_chosen_and_the_search_ends_early():
    folds, asked = stratified(TARGETS, 3, 0), []
    best = PENALTIES[1]

    def fit(rows, penalty):
        asked.append(penalty)
        return penalty

    def score(penalty, rows):
        right = 0.9 if penalty == best else 0.6
        table = np.full((len(rows), 2), 1 - right, np.float32)
        table[np.arange(len(rows)), TARGETS[rows]] = right
        return table

    assert cross_validated(fit, score, TARGETS, 2, folds).classifier == best
    assert PENALTIES[-1] not in asked


def test_captions_are_classified_correctly():
    head = fit_text_head(Tfidf(min_df=1), TEXTS, TARGETS, LABELS, stratified(TARGETS, 3, 0), ONES)
    assert (head.scores.argmax(1) == TARGETS).all()
    assert head.classifier.scores(["my cat", "my dog"]).argmax(1).tolist() == [0, 1]


def test_a_penalty_that_is_given_is_not_chosen():
    folds = stratified(TARGETS, 3, 0)
    strong, weak = (
        fit_text_head(Tfidf(penalty=p), TEXTS, TARGETS, LABELS, folds, ONES).classifier for p in (1.0, 1e-5)
    )
    assert np.abs(strong.matrix).max() < np.abs(weak.matrix).max() / 10


def test_a_vocabulary_holds_what_is_frequent():
    assert {"cat", "dog"} <= {*vocabulary(TEXTS, LABELS, 2, 100).ngrams}
    assert len(vocabulary(TEXTS, LABELS, 1, 3).ngrams) == 3
    with pytest.raises(DataError, match="no word is in enough texts"):
        vocabulary(["", "!"], LABELS, 1, 10)
