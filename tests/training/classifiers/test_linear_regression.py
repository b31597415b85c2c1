"""Logistic regression: the optimum of the stated objective, whatever the number of classes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")
scipy_optimize = pytest.importorskip("scipy.optimize")

from imagist.arrays import log_probabilities, softmax
from imagist.training.classifiers.linear import LinearLayer, best_linear, fit_linear, logits


def problem(classes, seed=0, items=60, width=5):
    rng = np.random.default_rng(seed)
    targets = np.arange(items) % classes
    x = rng.normal(size=(items, width)).astype(np.float32)
    x[:, 0] += targets
    weights = rng.uniform(0.5, 2, items).astype(np.float32)
    return x, targets, weights


def loss(values, x, targets, weights, classes, penalty):
    matrix, bias = values[:-classes].reshape(-1, classes), values[-classes:]
    losses = -log_probabilities(softmax(x @ matrix + bias))[np.arange(len(targets)), targets]
    return (losses * weights).sum() / weights.sum() + penalty * (matrix**2).sum()


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("penalty", [1e-1, 1e-2])
def test_it_is_the_optimum_that_scipy_finds(classes, penalty):
    x, targets, weights = problem(classes)
    matrix, bias = fit_linear(x, targets, weights, classes, penalty)
    start = np.zeros(matrix.size + classes)
    found = scipy_optimize.minimize(loss, start, (x, targets, weights, classes, penalty), method="BFGS")
    ours = loss(np.concatenate([matrix.ravel(), bias]), x, targets, weights, classes, penalty)
    assert ours == pytest.approx(found.fun, abs=1e-4)
    expected = softmax(x @ found.x[:-classes].reshape(-1, classes) + found.x[-classes:])
    np.testing.assert_allclose(softmax(logits(x, matrix, bias)), expected, atol=5e-3)


def test_a_class_without_an_example_is_never_the_likeliest():
    x, targets, weights = problem(3)
    matrix, bias = fit_linear(x, targets * 2, weights, 6, 1e-2)  # classes 1, 3 and 5 have none
    scores = softmax(logits(x, matrix, bias))
    assert scores[:, [1, 3, 5]].max() < 1e-3
    assert {*scores.argmax(1)} == {0, 2, 4}


def test_one_class_alone_is_certain():
    x, _, weights = problem(2)
    matrix, bias = fit_linear(x, np.ones(len(x), np.int64), weights, 2, 1e-2)
    assert (softmax(logits(x, matrix, bias)).argmax(1) == 1).all()


def test_a_weight_of_two_is_the_example_given_twice():
    x, targets, _ = problem(3)
    weights = np.ones(len(x), np.float32)
    weights[:10] = 2
    twice = np.concatenate([x, x[:10]]), np.concatenate([targets, targets[:10]]), np.ones(len(x) + 10, np.float32)
    one, other = fit_linear(x, targets, weights, 3, 1e-2), fit_linear(*twice, 3, 1e-2)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_the_best_of_the_penalties_is_no_worse_than_any():
    x, targets, weights = problem(3, items=120)
    dev = x[:40], targets[:40]
    train = x[40:], targets[40:], weights[40:]
    best = best_linear("test", train, dev, 3)

    def loss(layer):
        return -np.log(layer.scores(dev[0])[np.arange(40), dev[1]]).mean()

    for penalty in (1e-2, 1e-4, 3e-6):
        assert loss(best) <= loss(LinearLayer(*fit_linear(*train, 3, penalty))) + 1e-6
    matrix, bias = best.calibrated
    np.testing.assert_allclose(softmax(logits(x, matrix, bias)), best.scores(x), atol=1e-5)
