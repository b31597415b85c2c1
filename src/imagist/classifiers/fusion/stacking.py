"""Stacking (Wolpert 1992): a logistic regression over the probabilities of both classifiers.

Unlike a weight, it can learn that the text classifier is right in one class and wrong in another, and which class it
confuses with which. It has 2C² + C numbers to learn, so it needs many more held-out items.

Shapes: N items; C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray, Array, Bools, Floats, log_probabilities, softmax
from imagist.bundle import fingerprint, npz, open_part, write_part
from imagist.classifiers.calibration import check_targets
from imagist.classifiers.fusion.checks import check_shapes, log_likelihood
from imagist.errors import BundleError, MissingExtra, UsageError
from imagist.protocols import PartOptions
from imagist.records import LabelSet

KIND = "stacking"

PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4)
"""What cross-validation chooses from."""


@dataclass(frozen=True, eq=False)
class StackedFusion:
    """softmax([log P_image, log P_text] matrix + bias); follows `imagist.protocols.Fusion`.

    Attributes:
        matrix: float32 ``[2C, C]``, its first C rows for the image classifier.
        bias: float32 ``[C]``.
        labels: The C classes that it was fitted to, where they are known: probabilities of these are fused before
            they are projected to a taxonomy.

    Raises:
        UsageError: Other shapes, or a number that is not finite.
    """

    matrix: Array
    bias: Array
    labels: LabelSet | None = None
    concurrent = True

    def __post_init__(self) -> None:
        classes = self.bias.shape[0] if self.bias.ndim == 1 else 0
        if not classes or self.matrix.shape != (2 * classes, classes):
            raise UsageError(
                f"needs a matrix [2C, C] and a bias [C], got {list(self.matrix.shape)} and {list(self.bias.shape)}"
            )
        if not (np.isfinite(self.matrix).all() and np.isfinite(self.bias).all()):
            raise UsageError("the matrix and the bias must be finite")

    @property
    def id(self) -> str:
        """Changes with the numbers and the labels."""
        return f"{KIND}-{fingerprint(self.labels and self.labels.names, self.matrix, self.bias)}"

    def save(self, folder: Path) -> None:
        """Writes numbers and card."""
        card = {"labels": list(self.labels)} if self.labels else {}
        write_part(folder, KIND, card, weights__npz=npz(matrix=self.matrix, bias=self.bias))

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from two of the same shape; rows sum to 1.

        Raises:
            UsageError: The two have different shapes, or other classes than were fitted.
        """
        check_shapes(image, text)
        if image.ndim != 2 or image.shape[1] != len(self.bias):
            raise UsageError(f"was fitted to {len(self.bias)} classes, got probabilities {list(image.shape)}")
        return softmax(_columns(image, text) @ self.matrix + self.bias).astype(np.float32)


def load(model: str, options: PartOptions) -> StackedFusion:
    """Loads a saved fusion, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged.
        UsageError: ``options.weight``: a stack has no weight.
    """
    if options.weight is not None:
        raise UsageError("stacking has no weight", item="weight", remedy="leave it out, or choose another fusion")
    folder = open_part(model, "fusion")
    labels = folder.card.get("labels")
    try:
        return StackedFusion(**folder.arrays("weights.npz"), labels=LabelSet(tuple(labels)) if labels else None)
    except (TypeError, UsageError) as error:
        raise BundleError(f"the numbers do not fit: {error}", item=str(folder.path), remedy="save it again") from error


def fit_stacking(
    image: Array,
    text: Array,
    targets: AnyArray,
    *,
    penalty: float | None = None,
    folds: int = 5,
    seed: int = 0,
) -> StackedFusion:
    """Multinomial logistic regression with an L2 penalty, on held-out items that neither classifier was trained on.

    Args:
        image: ``[N, C]``, probabilities of the image classifier.
        text: ``[N, C]``, probabilities of the text classifier.
        targets: Integers ``[N]``, 0..C-1.
        penalty: Of the sum of squares of the matrix beside the mean loss (scikit-learn's 1 / (2 N ``C``)), > 0; None
            takes that of `PENALTIES` which has the least loss in cross-validation over the items.
        folds: Of that cross-validation, 2..N.
        seed: Of the folds.

    Raises:
        UsageError: Shapes, targets, a penalty or folds that make no sense.
        MissingExtra: scipy is not installed.
    """
    t = np.asarray(targets)
    check_shapes(image, text)
    check_targets(image, t)
    if penalty is not None and not penalty > 0:
        raise UsageError(f"a penalty is above 0, got {penalty}")
    x = _columns(image, text)
    if penalty is None:
        if not 2 <= folds <= len(t):
            raise UsageError(f"{folds} folds of {len(t)} items", remedy="give a penalty, or 2 folds and items at least")
        parts = [*_parts(len(t), folds, seed)]
        penalty = min(PENALTIES, key=lambda each: _held_out_loss(x, t, each, parts))
    matrix, bias = _fit(x, t, penalty)
    return StackedFusion(matrix.astype(np.float32), bias.astype(np.float32))


def _columns(image: Array, text: Array) -> Floats:
    """The logarithms of both classifiers' probabilities side by side, float64 ``[N, 2C]``."""
    return np.concatenate([log_probabilities(image), log_probabilities(text)], axis=1)


def _parts(items: int, folds: int, seed: int) -> Iterator[Bools]:
    """Which items each fold holds out, ``[N]``."""
    fold = np.random.default_rng(seed).permutation(items) % folds
    return (fold == number for number in range(folds))


def _held_out_loss(x: Floats, targets: AnyArray, penalty: float, parts: list[Bools]) -> float:
    """Sum over all items of the loss under what was fitted without their fold."""
    total = 0.0
    for held_out in parts:
        matrix, bias = _fit(x[~held_out], targets[~held_out], penalty)
        total += log_likelihood(x[held_out] @ matrix + bias, targets[held_out])[0] * int(held_out.sum())
    return total


def _fit(x: Floats, targets: AnyArray, penalty: float) -> tuple[Floats, Floats]:
    """The matrix ``[2C, C]`` and the bias ``[C]`` of least penalised loss, starting from the mean of both."""
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtra("fitting a stack needs scipy", remedy="pip install 'imagist[study]'") from error
    classes = x.shape[1] // 2

    def loss(values: Floats) -> tuple[float, Floats]:
        matrix, bias = values[:-classes].reshape(-1, classes), values[-classes:]
        value, slope = log_likelihood(x @ matrix + bias, targets)
        slopes = (x.T @ slope + 2 * penalty * matrix).ravel(), slope.sum(axis=0)
        return value + penalty * float((matrix**2).sum()), np.concatenate(slopes)

    start = np.concatenate([np.tile(np.eye(classes) / 2, (2, 1)).ravel(), np.zeros(classes)])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-10})
    return best.x[:-classes].reshape(-1, classes), best.x[-classes:]
