"""What classifiers say in a trial: in order, meaned over fits, and never computed twice."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from imagist.study.opinions import Opinion, Said, arrays, opinion
from imagist.study.store import Store
from imagist.training.classifiers.history import Epoch

HISTORY = (Epoch(1, 1.5, 0.5, 0.25, 1.25), Epoch(2, 0.5, 0.75, None, None))


def said(number, held, test=4, classes=3):
    """What one fit says: recognisable numbers."""
    scores = [np.full((rows, classes), number + 1 / classes, np.float32) for rows in (held, test)]
    hidden = [np.full((rows, 2), number / 3, np.float32) for rows in (held, test)]
    return tuple(scores), tuple(hidden)


def test_held_out_rows_stand_in_the_order_of_the_fits_and_test_rows_are_the_mean():
    made = [Said(*said(n, held)[0], *said(n, held)[1], ()) for n, held in ((0, 2), (3, 1))]
    joint = Opinion(tuple(made))
    assert joint.held.shape == (3, 3)
    np.testing.assert_array_equal(joint.held[:2], made[0].held)
    np.testing.assert_array_equal(joint.held[2:], made[1].held)
    np.testing.assert_allclose(joint.test, np.full((4, 3), 1.5 + 1 / 3), rtol=1e-6)
    assert joint.test.dtype == np.float32


def test_every_fit_is_made_once_and_found_again(tmp_path):
    fitted, told = [], []

    def fit(number):
        fitted.append(number)
        return arrays(*said(number, held=2 + number), HISTORY)

    store = Store(tmp_path)
    first = opinion(store, ("a", "b"), fit, told.append)
    again = opinion(Store(tmp_path), ("a", "b"), fit, told.append)
    assert fitted == [0, 1]
    assert told == [True, True, False, False]
    assert sum(store.computed.values()) == 2
    for one, other in zip(first.fits, again.fits, strict=True):
        for name in ("held", "test", "held_hidden", "test_hidden"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.history == other.history == HISTORY
    assert [len(each.held) for each in first.fits] == [2, 3]


def test_one_fit_that_is_missing_costs_only_itself(tmp_path):
    fitted = []

    def fit(number):
        fitted.append(number)
        return arrays(*said(number, held=2))

    opinion(Store(tmp_path), ("a", "b", "c"), fit, lambda new: None)
    (tmp_path / "b.npz").unlink()
    told = []
    opinion(Store(tmp_path), ("a", "b", "c"), fit, told.append)
    assert fitted == [0, 1, 2, 1]
    assert told == [False, True, False]


def test_hidden_states_are_kept_in_halves_and_handed_on_in_singles(tmp_path):
    (fit,) = opinion(Store(tmp_path), ("a",), lambda number: arrays(*said(1, held=2)), lambda new: None).fits
    assert fit.held_hidden.dtype == fit.test_hidden.dtype == np.float32
    np.testing.assert_array_equal(fit.held_hidden, np.full((2, 2), np.float16(1 / 3), np.float32))


def test_what_is_not_fitted_in_epochs_has_none(tmp_path):
    (fit,) = opinion(Store(tmp_path), ("a",), lambda number: arrays(*said(1, held=2)), lambda new: None).fits
    assert fit.history == ()
