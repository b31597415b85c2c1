"""Logistic regression over features and over TF-IDF, and the fusion of both; dev chooses penalties and weight.

Shapes: N images, L cells, D channels, C classes, W n-grams.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from imagist.arrays import Array, Ints
from imagist.classifiers.calibration import fit_temperature
from imagist.classifiers.fusion import ScoreFusion, fit_weight
from imagist.classifiers.ngrams import terms
from imagist.classifiers.taxonomy import Taxonomy
from imagist.metrics.classes import accuracy, expected_calibration_error
from imagist.records import LabelSet

log = logging.getLogger("imagist.training")


@dataclass(frozen=True, eq=False)
class Linear:
    """A trained layer with its temperature: probabilities are ``softmax((x @ matrix + bias) / temperature)``."""

    matrix: Array
    bias: Array
    temperature: float

    def scores(self, x: Array) -> Array:
        """float32 ``[N, C]``."""
        logits = torch.from_numpy((x @ self.matrix + self.bias) / self.temperature)
        return torch.softmax(logits, -1).numpy()


def fit_linear(x: Array, targets: Ints, weights: Array, classes: int, penalty: float) -> tuple[Array, Array]:
    """Weighted multinomial logistic regression by L-BFGS; returns matrix ``[D, C]`` and bias ``[C]``.

    Args:
        x: float32 ``[N, D]``.
        targets: ``[N]``.
        weights: ``[N]``.
        classes: C.
        penalty: Factor of the sum of squared weights, which is added to the mean loss.
    """
    features, goal, importance = torch.from_numpy(x), torch.from_numpy(targets), torch.from_numpy(weights)
    matrix = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([matrix, bias], max_iter=150, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = F.cross_entropy(features @ matrix + bias, goal, reduction="none")
        loss = (losses * importance).sum() / importance.sum() + penalty * (matrix**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return matrix.detach().numpy(), bias.detach().numpy()


def best_linear(name: str, train: tuple[Array, Ints, Array], dev: tuple[Array, Ints], classes: int) -> Linear:
    """Fits a layer and its temperature for each of eight penalties; returns the one with the lowest loss on dev."""
    fits = []
    for penalty in (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6):
        matrix, bias = fit_linear(*train, classes, penalty)
        plain = Linear(matrix, bias, 1.0)
        temperature = fit_temperature(plain.scores(dev[0]), dev[1]).value
        fit = Linear(matrix, bias, temperature)
        scores = fit.scores(dev[0])
        loss = -float(np.log(scores[np.arange(len(dev[1])), dev[1]] + 1e-12).mean())
        log.info(
            "%s  penalty %.0e  T %.2f  dev loss %.4f  accuracy %.4f",
            name,
            penalty,
            temperature,
            loss,
            accuracy(scores, dev[1]),
        )
        fits.append((loss, penalty, fit))
    return min(fits, key=lambda entry: entry[:2])[2]


def best_terms(captions: Sequence[str], least: int = 3) -> tuple[str, ...]:
    """The words and pairs that occur in at least ``least`` captions, most frequent first."""
    number = Counter(term for caption in captions for term in set(terms(caption)))
    return tuple(sorted((t for t, n in number.items() if n >= least), key=lambda t: (-number[t], t)))


def inverse_frequency(table: Array) -> Array:
    """Smoothed inverse document frequency of each n-gram ``[W]`` from counts ``[N, W]`` (as scikit-learn's)."""
    documents = (table > 0).sum(0)
    return (np.log((1 + len(table)) / (1 + documents)) + 1).astype(np.float32)  # type: ignore[no-any-return]


def weighed(table: Array, idf: Array) -> Array:
    """TF-IDF of counts ``[N, W]``, rows of length 1 (or 0 where no n-gram is known)."""
    rows = table * idf
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)  # type: ignore[no-any-return]


WEIGHT_GRID = 11


def fit_fusion(
    taxonomy: Taxonomy, fine: LabelSet, image: Array, text: Array, names: Sequence[str]
) -> dict[str, object]:
    """Fits the fusion of one taxonomy on dev: the weight, its interval, and a temperature for each of 11 weights.

    Args:
        taxonomy: Categories of the classes.
        fine: The C classes.
        image: Probabilities of the image classifier on dev, ``[N, C]``.
        text: Probabilities of the text classifier on dev, ``[N, C]``.
        names: The class of each image.
    """
    rows = [i for i, name in enumerate(names) if taxonomy.target(name) is not None]
    targets = np.array([taxonomy.labels.index(taxonomy.target(names[i]) or "") for i in rows])
    image, text = (taxonomy.project(scores[rows], fine) for scores in (image, text))
    fitted = fit_weight(image, text, targets)
    weights = np.linspace(0, 1, WEIGHT_GRID)
    temperatures = [
        1.0 if w in (0, 1) else fit_temperature(ScoreFusion(float(w)).fuse(image, text), targets).value for w in weights
    ]
    fused = ScoreFusion(fitted.weight).fuse(image, text)
    log.info(
        "%s  image %.4f  text %.4f  fused %.4f  w %.2f  ECE before temperature %.4f",
        taxonomy.name, accuracy(image, targets), accuracy(text, targets), accuracy(fused, targets), fitted.weight,
        expected_calibration_error(fused, targets),
    )  # fmt: skip
    return {"weight": fitted.weight, "interval": list(fitted.interval), "temperatures": temperatures}
