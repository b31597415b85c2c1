"""Fits the confidence in captions."""

from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import DataError
from imagist.training.classifiers.caption_confidence import fit_confidence

pytest.importorskip("scipy")
RNG = np.random.default_rng(0)


def test_it_finds_the_chance_that_captions_are_right():
    cosines = RNG.uniform(-0.2, 0.8, 4000)
    right = RNG.random(4000) < 1 / (1 + np.exp(-(8 * cosines - 3)))
    found = fit_confidence(cosines, right, "own")
    assert found.slope == pytest.approx(8, rel=0.1)
    assert found.offset == pytest.approx(-3, rel=0.1)
    assert found.of(cosines).mean() == pytest.approx(right.mean(), abs=0.01)


def test_it_stays_finite_where_cosines_tell_all():
    found = fit_confidence(np.linspace(0, 1, 20), np.arange(20) >= 10, "own")
    assert 0 < found.slope < 100


@pytest.mark.parametrize(
    ("cosines", "right"),
    [
        (np.zeros(5), np.arange(5) > 2),
        (np.zeros(20), np.ones(20, bool)),
        (np.zeros(20), np.ones(19, bool)),
        (np.linspace(0, 1, 20), np.arange(20) < 10),
    ],
)
def test_what_says_nothing_is_refused(cosines, right):
    with pytest.raises(DataError):
        fit_confidence(cosines, right, "own")
