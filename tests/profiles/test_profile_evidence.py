from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import UsageError
from imagist.profiles.evidence import likelihoods, mix_of, posterior


def classified(mix, count, seed=0, sharp=1.2):
    """Posts of a mix, with probabilities that are calibrated for equally common categories."""
    random = np.random.default_rng(seed)
    truth = random.choice(len(mix), count, p=mix)
    scores = random.normal(size=(count, len(mix)))
    scores[np.arange(count), truth] += sharp
    return posterior(np.exp(sharp * (scores - scores.max(axis=1, keepdims=True))), np.ones(len(mix))), truth


def test_em_finds_a_mix_that_counting_blurs():
    mix = np.array([0.8, 0.15, 0.05])
    given, _ = classified(mix, 20_000)
    assert mix_of(likelihoods(given)) == pytest.approx(mix, abs=0.02)
    counted = np.bincount(given.argmax(axis=1)) / len(given)
    assert abs(counted - mix).max() > 0.1


def test_a_prior_is_undone():
    prior = np.array([0.6, 0.3, 0.1])
    given, _ = classified(np.array([0.2, 0.3, 0.5]), 50)
    assert likelihoods(posterior(likelihoods(given), prior), prior) == pytest.approx(likelihoods(given), abs=1e-6)


@pytest.mark.parametrize(
    ("given", "prior"),
    [
        ([[0.5, 0.5]], [1.0, 0.0]),
        ([[0.5, 0.5]], [1.0]),
        ([[0.0, 0.0]], None),
        ([[np.nan, 1.0]], None),
        ([[-0.1, 1.1]], None),
        ([0.5, 0.5], None),
    ],
)
def test_what_is_no_probability_is_refused(given, prior):
    with pytest.raises(UsageError):
        likelihoods(np.array(given), prior)


def test_no_posts_leave_the_start():
    assert mix_of(np.zeros((0, 4))) == pytest.approx(np.full(4, 0.25))
