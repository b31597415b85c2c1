"""Multinomial logistic regression by scikit-learn, as every linear layer over fixed features is fitted here.

Shapes: N items; D features; C classes.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from imagist.arrays import Array, Floats, Ints, softmax
from imagist.classifiers.calibration import fit_temperature
from imagist.errors import MissingExtra
from imagist.metrics.classes import accuracy, negative_log_likelihood

log = logging.getLogger("imagist.training")

PENALTIES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
"""What cross-validation chooses from, strongest first."""

MAX_ITERATIONS = 1000
_ABSENT = 12.0  # a class without an example gets so many nats less than the least likely of the others


def fit_linear(
    x: Array, targets: Ints, weights: Array, classes: int, penalty: float, tolerance: float = 1e-6
) -> tuple[Array, Array]:
    """Weighted multinomial logistic regression with an L2 penalty; the bias is not penalised.

    Args:
        x: float32 ``[N, D]``.
        targets: ``[N]``, 0..C-1; a class may have no example.
        weights: ``[N]``, > 0.
        classes: C.
        penalty: Factor of the sum of squared weights, which is added to the mean loss, >= 0.
        tolerance: Largest slope of the loss at the end, > 0; 1e-4 changes probabilities by less than a hundredth and
            takes a third of the time.

    Returns:
        Matrix float32 ``[D, C]`` and bias float32 ``[C]``.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    matrix, bias = np.zeros((x.shape[1], classes)), np.zeros(classes)
    present = np.unique(targets)
    if len(present) > 1:
        halved = 2.0 if len(present) == 2 else 1.0  # two classes have one vector between them: its halves, mirrored
        model = _regression(halved / (2 * penalty * float(weights.sum())) if penalty else np.inf, tolerance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an optimum that is a little short of the tolerance is good enough
            model.fit(x.astype(np.float64), targets, weights)
        coefficients, intercepts = model.coef_, model.intercept_
        if len(present) == 2:
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        matrix[:, present], bias[present] = coefficients.T, intercepts
    absent = np.setdiff1d(np.arange(classes), present)
    bias[absent] = bias[present].min() - _ABSENT
    return matrix.astype(np.float32), bias.astype(np.float32)


@dataclass(frozen=True, eq=False)
class LinearLayer:
    """A fitted layer with its temperature: probabilities are ``softmax((x @ matrix + bias) / temperature)``.

    Attributes:
        matrix: float32 ``[D, C]``.
        bias: float32 ``[C]``.
        temperature: > 0.
    """

    matrix: Array
    bias: Array
    temperature: float = 1.0

    def scores(self, x: Array) -> Array:
        """float32 ``[N, C]`` of features ``[N, D]``, rows sum to 1."""
        return softmax(logits(x, self.matrix, self.bias) / self.temperature).astype(np.float32)

    @property
    def calibrated(self) -> tuple[Array, Array]:
        """Matrix and bias with the temperature in them."""
        return self.matrix / np.float32(self.temperature), self.bias / np.float32(self.temperature)


def best_linear(name: str, train: tuple[Array, Ints, Array], dev: tuple[Array, Ints], classes: int) -> LinearLayer:
    """Fits a layer and its temperature for each of `PENALTIES`; returns the one with the lowest loss on dev.

    Args:
        name: Of the layer, in the log.
        train: Features ``[N, D]``, targets ``[N]`` and weights ``[N]``.
        dev: Features and targets.
        classes: C.
    """
    fits = []
    for penalty in PENALTIES:
        plain = LinearLayer(*fit_linear(*train, classes, penalty))
        temperature = fit_temperature(plain.scores(dev[0]), dev[1]).value
        layer = LinearLayer(plain.matrix, plain.bias, temperature)
        scores = layer.scores(dev[0])
        loss, share = negative_log_likelihood(scores, dev[1]), accuracy(scores, dev[1])
        log.info("%s  penalty %.0e  T %.2f  dev loss %.4f  accuracy %.4f", name, penalty, temperature, loss, share)
        fits.append((loss, penalty, layer))
    return min(fits, key=lambda entry: entry[:2])[2]


def logits(x: Array, matrix: Array, bias: Array) -> Floats:
    """float64 ``[N, C]`` of features ``[N, D]``."""
    return np.asarray(x.astype(np.float64) @ matrix.astype(np.float64) + bias)


def _regression(inverse_penalty: float, tolerance: float) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("fitting needs scikit-learn", remedy="pip install 'imagist[fit]'") from error
    return LogisticRegression(C=inverse_penalty, max_iter=MAX_ITERATIONS, tol=tolerance)
