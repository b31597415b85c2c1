"""Fits a layer over a matcher's embeddings to a few images of each category, starting from the categories' names.

Logistic regression with an L2 penalty on the distance from the zero-shot layer, as in CLAP (Silva-Rodriguez et al.
2024): where the images do not contradict the names, the rows of the names stay. A layer over images also sees the
encoder's features, which tell apart what the names do not (`with_features`).

Shapes: N images; C categories; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Array, Bools, Floats, Ints
from imagist.classifiers.fusion.checks import log_likelihood
from imagist.classifiers.matched import FEATURE_SCALE
from imagist.errors import DataError, MissingExtra
from imagist.matching.zero_shot import NONE, Layer

STRENGTHS = (1e-5, 1e-4, 0.001, 0.01, 0.1, 0.3, 1.0, 3.0, inf)
SCALES = (1.0, 0.5, 0.25)  # of the start: names are surer of themselves than images bear out
CAUTION = 0.1  # the strength for each share of images that the names get wrong, where held-out images do not choose it
_FOLDS = 5
_LIMITS = {"maxiter": 200}


@dataclass(frozen=True, eq=False)
class FewShot:
    """A fitted layer, and how it was fitted.

    Attributes:
        layer: From embeddings to logits.
        strength: Of the penalty, > 0; infinity is the zero-shot layer itself.
        scale: Of the zero-shot layer that the fit starts from, > 0.
        losses: Mean negative log-likelihood of held-out images at each strength tried, in nats; empty where none could
            be held out.
    """

    layer: Layer
    strength: float
    scale: float = 1.0
    losses: tuple[tuple[float, float], ...] = ()


def fit_few_shot(
    start: Layer,
    embeddings: AnyArray,
    targets: AnyArray,
    *,
    strengths: Sequence[float] = STRENGTHS,
    scales: Sequence[float] = SCALES,
    caution: float = CAUTION,
    seed: int = 0,
) -> FewShot:
    """Fits the layer; `NONE`, of which there are no images, keeps its score.

    The penalty is the strength times half the squared distance from the start, for embeddings scaled to a total
    variance of 1. Strength and scale are those of least loss on images that inner folds hold out, if they make fewer
    mistakes on them than the start. If not, or where no image can be held out because each category has one, the
    strength is the caution divided by the share of the images that the start gets wrong.

    Args:
        start: The zero-shot layer, see `imagist.matching.zero_shot.layers`.
        embeddings: The matcher's, ``[N, D]``; a category may have no image.
        targets: The category of each, ``[N]``, by its place in the labels.
        strengths: To choose from; infinity is the start itself. A single one is not chosen, but used.
        scales: To choose from; the first is used where nothing is chosen.
        caution: > 0.
        seed: Of the folds.

    Raises:
        DataError: Embeddings and targets do not fit together or the layer, a number is not finite, or there are none.
        MissingExtra: SciPy is not installed.
    """
    x, t = np.asarray(embeddings, np.float64), np.asarray(targets)
    known = len(start.labels) - (start.labels.names[-1] == NONE)
    _check(x, t, start, known)
    problem = _Problem(start.weights[:known].astype(np.float64), start.bias[:known].astype(np.float64), x)
    folds = _folds(t, seed) if len(strengths) > 1 else []
    scale, strength = scales[0], strengths[0] if len(strengths) == 1 else problem.cautious(t, caution)
    losses: tuple[tuple[float, float], ...] = ()
    if folds:
        tried = {(a, b): problem.held_out(t, folds, a, b) for a in {*scales, 1.0} for b in {*strengths, inf}}
        better = [(a, b) for a in scales for b in strengths if tried[a, b][1] < tried[1.0, inf][1]]
        if better:
            scale, strength = min(better, key=lambda each: (tried[each][0], -each[1]))
        losses = tuple((each, tried[scale, each][0]) for each in strengths)
    weights, bias = problem.fit(np.ones(len(t), np.bool_), t, scale, strength)
    layer = replace(
        start,
        weights=np.vstack([weights, start.weights[known:]]).astype(np.float32),
        bias=np.append(bias, start.bias[known:]).astype(np.float32),
    )
    return FewShot(layer, strength, scale, losses)


def with_features(start: Layer, embeddings: Array, features: Array) -> tuple[Layer, Array]:
    """The layer and its inputs with the encoder's features behind the embeddings, where the start is 0.

    Args:
        start: Over embeddings.
        embeddings: float32 ``[N, D]``.
        features: float32 ``[N, E]``, of length 1.
    """
    blank = np.zeros((len(start.labels), features.shape[1]), np.float32)
    rows = np.hstack([embeddings, FEATURE_SCALE * features])
    return replace(start, weights=np.hstack([start.weights, blank])), rows


class _Problem:
    """The regression over scaled embeddings: minimises in the distance from the start.

    That distance lies in the span of the embeddings, so fewer images than D are described in a basis of their span.

    Args:
        weights: Of the start, ``[C, D]``.
        bias: Of the start, ``[C]``.
        x: Embeddings ``[N, D]``.
    """

    def __init__(self, weights: Floats, bias: Floats, x: Floats) -> None:
        self._weights, self._bias = weights, bias
        self._mean = x.mean(0)
        self._unit = float(np.sqrt(x.var(0).sum())) or 1.0
        scaled = (x - self._mean) / self._unit
        self._basis = np.linalg.svd(scaled, full_matrices=False)[2] if len(x) < x.shape[1] else None
        reduced = scaled if self._basis is None else scaled @ self._basis.T
        self._rows = np.hstack([reduced, np.ones((len(x), 1))])
        self._logits: Floats = x @ weights.T + bias

    def cautious(self, targets: Ints, caution: float) -> float:
        """A strength without held-out images: the fewer images the start gets wrong, the greater."""
        wrong = float((self._logits.argmax(1) != targets).mean())
        return caution / wrong if wrong else inf

    def fit(self, chosen: Bools, targets: Ints, scale: float, strength: float) -> tuple[Floats, Floats]:
        """Weights and bias, fitted to the chosen images."""
        change = self._change(chosen, targets, scale, strength)
        weights = (change[:, :-1] if self._basis is None else change[:, :-1] @ self._basis) / self._unit
        return scale * self._weights + weights, scale * self._bias + change[:, -1] - weights @ self._mean

    def held_out(self, targets: Ints, folds: Sequence[Bools], scale: float, strength: float) -> tuple[float, float]:
        """Mean loss and share of mistakes on each fold's images, by fits to the others."""
        loss = wrong = 0.0
        for fold in folds:
            logits = scale * self._logits[fold] + self._rows[fold] @ self._change(~fold, targets, scale, strength).T
            loss += log_likelihood(logits, targets[fold])[0] * int(fold.sum())
            wrong += int((logits.argmax(1) != targets[fold]).sum())
        items = sum(int(fold.sum()) for fold in folds)
        return loss / items, wrong / items

    def _change(self, chosen: Bools, targets: Ints, scale: float, strength: float) -> Floats:
        """What the start is changed by, ``[C, D + 1]``; the last column is the bias."""
        shape = len(self._bias), self._rows.shape[1]
        if strength == inf:
            return np.zeros(shape)
        rows, logits, own = self._rows[chosen], scale * self._logits[chosen], targets[chosen]

        def loss(flat: Floats) -> tuple[float, Floats]:
            change = flat.reshape(shape)
            value, slope = log_likelihood(logits + rows @ change.T, own)
            gradient = len(rows) * slope.T @ rows + strength * change
            return len(rows) * value + strength / 2 * float((change**2).sum()), gradient.ravel()

        found: Any = _minimize()(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=_LIMITS)
        return np.asarray(found.x).reshape(shape)


def _minimize() -> Any:
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtra(
            "fitting needs a library that is not installed", item="scipy", remedy="pip install 'imagist[fit]'"
        ) from error
    return minimize


def _folds(targets: Ints, seed: int) -> list[Bools]:
    """Which images each fold holds out: those of a category in turn, where it has two or more."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(targets), -1)
    start = 0
    for category in np.unique(targets):
        own = rng.permutation(np.flatnonzero(targets == category))
        if len(own) > 1:
            fold[own] = (start + np.arange(len(own))) % _FOLDS
            start += len(own)
    return [fold == number for number in range(_FOLDS) if (fold == number).any()]


def _check(x: Floats, t: AnyArray, start: Layer, known: int) -> None:
    width = start.weights.shape[1]
    if x.ndim != 2 or x.shape[1] != width or t.shape != x.shape[:1] or not len(t):
        raise DataError(f"needs embeddings [N, {width}] and targets [N], got {list(x.shape)} and {list(t.shape)}")
    if t.dtype.kind not in "iu" or not 0 <= t.min() <= t.max() < known:
        raise DataError(f"targets must be integers 0..{known - 1}")
    if not np.isfinite(x).all():
        raise DataError("embeddings must be finite")
