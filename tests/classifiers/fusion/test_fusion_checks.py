"""What all fusions compute with, against scipy and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.classifiers.fusion.checks import check_shapes, log_likelihood
from imagist.errors import UsageError

LOGITS = np.random.default_rng(0).normal(0, 3, size=(20, 4))
TARGETS = np.random.default_rng(1).integers(4, size=20)


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
