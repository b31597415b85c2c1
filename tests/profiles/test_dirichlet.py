from __future__ import annotations

import numpy as np
import pytest

from imagist.profiles.dirichlet import LARGEST, digamma, dirichlet, fixed_point, log_evidence, log_gamma


def test_digamma_is_known_values_and_its_recurrence():
    assert digamma(np.array([1.0, 0.5])) == pytest.approx([-0.5772156649, -1.9635100260], abs=1e-7)
    x = np.geomspace(1e-3, 1e3, 50)
    assert digamma(x + 1) - digamma(x) == pytest.approx(1 / x, rel=1e-6)


def test_draws_have_the_mean_and_the_variance_and_never_fail():
    alpha = np.array([0.001, 0.5, 2.0])
    draws = dirichlet(np.tile(alpha, (20_000, 1)), np.random.default_rng(0))
    mean = alpha / alpha.sum()
    assert draws.sum(axis=1) == pytest.approx(1)
    assert draws.mean(axis=0) == pytest.approx(mean, abs=0.01)
    assert draws.var(axis=0) == pytest.approx(mean * (1 - mean) / (alpha.sum() + 1), abs=0.005)


def test_the_fixed_point_finds_the_prior_of_many_accounts():
    random = np.random.default_rng(1)
    true = np.array([0.3, 1.0, 2.0])
    counts = np.stack([random.multinomial(50, shares) for shares in random.dirichlet(true, 2000)])
    alpha = np.ones(3)
    for _ in range(300):
        alpha = fixed_point(alpha, counts)
    assert alpha == pytest.approx(true, rel=0.12)


def test_one_account_leaves_a_finite_prior():
    alpha = np.ones(3)
    for _ in range(300):
        alpha = fixed_point(alpha, np.array([[40, 0, 0]]))
    assert (alpha > 0).all()
    assert (alpha < LARGEST).all()


def test_log_gamma_is_known_values_and_its_recurrence():
    assert log_gamma(np.array([1.0, 0.5, 10.0])) == pytest.approx([0, 0.5723649429, 12.8018274801], abs=1e-8)
    x = np.geomspace(1e-3, 1e3, 50)
    assert log_gamma(x + 1) - log_gamma(x) == pytest.approx(np.log(x), abs=1e-7)


def test_the_evidence_of_counts_is_the_product_of_predictions():
    alpha, counts = np.array([[0.5, 1.0, 2.0]]), np.array([[2, 0, 1]])
    predicted = (0.5 / 3.5) * (1.5 / 4.5) * (2.0 / 5.5)
    assert log_evidence(alpha, counts)[0, 0] == pytest.approx(np.log(predicted), abs=1e-8)
