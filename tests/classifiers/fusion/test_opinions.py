"""What all fusions compute with, against scipy and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.classifiers.calibration import LEAST_PROBABILITY
from imagist.classifiers.fusion.opinions import check_shapes, log_likelihood, log_probabilities, softmax
from imagist.errors import UsageError

LOGITS = np.random.default_rng(0).normal(0, 3, size=(20, 4))
TARGETS = np.random.default_rng(1).integers(4, size=20)


def test_softmax_is_scipys_and_large_logits_do_not_overflow() -> None:
    special = pytest.importorskip("scipy.special")
    assert softmax(LOGITS) == pytest.approx(special.softmax(LOGITS, axis=1), abs=1e-6)
    assert softmax(LOGITS * 1e4) == pytest.approx(np.eye(4)[LOGITS.argmax(axis=1)])
    assert softmax(LOGITS).dtype == np.float32


def test_logarithms_are_finite_and_the_way_back_from_softmax() -> None:
    assert log_probabilities(np.array([[0, 1]], np.float32)) == pytest.approx(
        np.array([[np.log(LEAST_PROBABILITY), 0]])
    )
    assert softmax(log_probabilities(softmax(LOGITS))) == pytest.approx(softmax(LOGITS), abs=1e-6)


def test_the_loss_is_sklearns_and_its_slope_that_of_finite_differences() -> None:
    metrics, special = (pytest.importorskip(name) for name in ("sklearn.metrics", "scipy.special"))
    loss, slope = log_likelihood(LOGITS, TARGETS)
    assert loss == pytest.approx(metrics.log_loss(TARGETS, special.softmax(LOGITS, axis=1), labels=range(4)))
    for row, column in ((0, 0), (7, 3), (19, TARGETS[19])):
        moved = LOGITS.copy()
        moved[row, column] += 1e-6
        assert slope[row, column] == pytest.approx((log_likelihood(moved, TARGETS)[0] - loss) / 1e-6, abs=1e-6)


def test_different_shapes_are_refused() -> None:
    check_shapes(np.ones((2, 3)), np.zeros((2, 3)))
    with pytest.raises(UsageError, match="shapes"):
        check_shapes(np.ones((2, 3)), np.ones((3, 3)))
