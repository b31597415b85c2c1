"""The ways between scores and probabilities, against scipy; unit vectors, products of matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from threadpoolctl import threadpool_info, threadpool_limits

from imagist.arrays import MIN_PROBABILITY, log_probabilities, one_thread, product, softmax, unit, unit_sums
from imagist.images.stream import run

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


@given(n=st.integers(0, 20), seed=st.integers(0, 99), double=st.booleans())
def test_a_row_does_not_depend_on_the_others(n, seed, double):
    rng = np.random.default_rng(seed)
    kind = np.float64 if double else np.float32
    rows, matrix = rng.normal(size=(n, 300)).astype(kind), rng.normal(size=(300, 70)).astype(kind)
    found = product(rows, matrix)
    assert (found.shape, found.dtype) == ((n, 70), kind)
    np.testing.assert_allclose(found, rows @ matrix, rtol=1e-4, atol=1e-4)
    for i in range(n):
        np.testing.assert_array_equal(found[i], product(rows[i : i + 1], matrix)[0])


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_the_mean_of_a_group_is_of_length_one(sizes, seed):
    rows = np.random.default_rng(seed).normal(size=(sum(sizes), 6)).astype(np.float32)
    means = [part.mean(0) for part in np.split(rows, np.cumsum(sizes)[:-1])]
    np.testing.assert_allclose(unit_sums(rows, [range(size) for size in sizes]), unit(np.stack(means)), atol=1e-5)


def threads():
    """The number of threads of numpy's library; others, such as scipy's, have one of their own."""
    return {
        each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas" and "numpy" in each["filepath"]
    }


@pytest.fixture
def two_threads():
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(2, "blas"):
        if threads() != {2}:
            pytest.skip("a library of linear algebra that has one thread alone")
        yield


@pytest.mark.usefixtures("two_threads")
def test_threads_are_given_back_when_the_last_user_leaves():
    with one_thread:
        with one_thread:
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


@pytest.mark.usefixtures("two_threads")
def test_a_run_over_images_uses_one_thread_a_batch():
    pixels = np.zeros((4, 4, 3), np.uint8)
    seen = [
        outcome.result
        for outcomes in run([pixels] * 3, lambda photos: [threads()] * len(photos))
        for outcome in outcomes
    ]
    assert seen == [{1}] * 3
    assert threads() == {2}
