"""The ways between scores and probabilities, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imagist.arrays import MIN_PROBABILITY, log_probabilities, softmax

LOGITS = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5), elements=st.floats(-1e3, 1e3)
)


@given(LOGITS)
def test_softmax_is_the_one_of_scipy(logits):
    scipy_special = pytest.importorskip("scipy.special")
    np.testing.assert_allclose(softmax(logits), scipy_special.softmax(logits, axis=-1), atol=1e-12)


@given(LOGITS)
def test_each_row_is_a_distribution(logits):
    found = softmax(logits)
    assert found.shape == logits.shape
    assert found.dtype == np.float64
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(-1), 1)


def test_a_score_of_minus_infinity_has_no_probability():
    np.testing.assert_array_equal(softmax(np.array([[0.0, -np.inf]], np.float32)), [[1, 0]])


def test_logarithms_are_finite_and_undone_by_softmax():
    p = np.array([[0.25, 0.75], [1, 0]], np.float32)
    logs = log_probabilities(p)
    assert logs.dtype == np.float64
    assert logs.min() == np.log(MIN_PROBABILITY)
    np.testing.assert_allclose(softmax(logs), p, atol=1e-11)
