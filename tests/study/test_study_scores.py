"""Scores of classifiers in a trial: in order, averaged over fits, and never computed twice."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from imagist.study.scores import FitScores, Scores, compute_scores, to_arrays
from imagist.study.store import Store
from imagist.training.classifiers.history import Epoch

HISTORY = (Epoch(1, 1.5, 0.5, 0.25, 1.25), Epoch(2, 0.5, 0.75, None, None))


def made(number, validation, test=4, classes=3):
    """Recognisable scores and features of one fit."""
    scores = [np.full((rows, classes), number + 1 / classes, np.float32) for rows in (validation, test)]
    features = [np.full((rows, 2), number / 3, np.float32) for rows in (validation, test)]
    return tuple(scores), tuple(features)


def test_validation_rows_are_in_the_order_of_the_fits_and_test_rows_are_the_mean():
    fits = [FitScores(*made(n, rows)[0], *made(n, rows)[1], ()) for n, rows in ((0, 2), (3, 1))]
    joint = Scores(tuple(fits))
    assert joint.validation.shape == (3, 3)
    np.testing.assert_array_equal(joint.validation[:2], fits[0].validation)
    np.testing.assert_array_equal(joint.validation[2:], fits[1].validation)
    np.testing.assert_allclose(joint.test, np.full((4, 3), 1.5 + 1 / 3), rtol=1e-6)
    assert joint.test.dtype == np.float32


def test_every_fit_is_made_once_and_found_again(tmp_path):
    fitted, computed = [], []

    def fit(number):
        fitted.append(number)
        return to_arrays(*made(number, validation=2 + number), HISTORY)

    store = Store(tmp_path)
    first = compute_scores(store, ("a", "b"), fit, computed.append)
    again = compute_scores(Store(tmp_path), ("a", "b"), fit, computed.append)
    assert fitted == [0, 1]
    assert computed == [True, True, False, False]
    assert sum(store.computed.values()) == 2
    for one, other in zip(first.fits, again.fits, strict=True):
        for name in ("validation", "test", "validation_features", "test_features"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.history == other.history == HISTORY
    assert [len(each.validation) for each in first.fits] == [2, 3]


def test_one_fit_that_is_missing_costs_only_itself(tmp_path):
    fitted = []

    def fit(number):
        fitted.append(number)
        return to_arrays(*made(number, validation=2))

    compute_scores(Store(tmp_path), ("a", "b", "c"), fit, lambda new: None)
    (tmp_path / "b.npz").unlink()
    computed = []
    compute_scores(Store(tmp_path), ("a", "b", "c"), fit, computed.append)
    assert fitted == [0, 1, 2, 1]
    assert computed == [False, True, False]


def test_features_states_are_kept_in_halves_and_handed_on_in_singles(tmp_path):
    (fit,) = compute_scores(
        Store(tmp_path), ("a",), lambda number: to_arrays(*made(1, validation=2)), lambda new: None
    ).fits
    assert fit.validation_features.dtype == fit.test_features.dtype == np.float32
    np.testing.assert_array_equal(fit.validation_features, np.full((2, 2), np.float16(1 / 3), np.float32))


def test_what_is_not_fitted_in_epochs_has_none(tmp_path):
    (fit,) = compute_scores(
        Store(tmp_path), ("a",), lambda number: to_arrays(*made(1, validation=2)), lambda new: None
    ).fits
    assert fit.history == ()
