"""Multinomial logistic regression by scikit-learn, as every linear layer over fixed features is fitted here.

Shapes: N items; D features; C classes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from imagist.arrays import Array, Floats, Ints
from imagist.errors import MissingExtra

PENALTIES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
"""What cross-validation chooses from, strongest first."""

MAX_ITERATIONS = 300
_ABSENT = 12.0  # a class without an example gets so many nats less than the least likely of the others


def fit_linear(x: Array, targets: Ints, weights: Array, classes: int, penalty: float) -> tuple[Array, Array]:
    """Weighted multinomial logistic regression with an L2 penalty; the bias is not penalised.

    Args:
        x: float32 ``[N, D]``.
        targets: ``[N]``, 0..C-1; a class may have no example.
        weights: ``[N]``, > 0.
        classes: C.
        penalty: Of the sum of squared weights, relative to the mean loss, > 0.

    Returns:
        Matrix float32 ``[D, C]`` and bias float32 ``[C]``.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    matrix, bias = np.zeros((x.shape[1], classes)), np.zeros(classes)
    present = np.unique(targets)
    if len(present) > 1:
        halved = 2.0 if len(present) == 2 else 1.0  # two classes have one vector between them: its halves, mirrored
        model = _regression(halved / (2 * penalty * float(weights.sum())))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an optimum that is a little short of the tolerance is good enough
            model.fit(x, targets, weights)
        coefficients, intercepts = model.coef_, model.intercept_
        if len(present) == 2:
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        matrix[:, present], bias[present] = coefficients.T, intercepts
    absent = np.setdiff1d(np.arange(classes), present)
    bias[absent] = bias[present].min() - _ABSENT
    return matrix.astype(np.float32), bias.astype(np.float32)


def logits(x: Array, matrix: Array, bias: Array) -> Floats:
    """float64 ``[N, C]`` of features ``[N, D]``."""
    return np.asarray(x.astype(np.float64) @ matrix.astype(np.float64) + bias)


def _regression(inverse_penalty: float) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("fitting needs scikit-learn", remedy="pip install 'imagist[fit]'") from error
    return LogisticRegression(C=inverse_penalty, max_iter=MAX_ITERATIONS, tol=1e-5)
