"""Scores of classifiers in one trial: one fit per validation fold, applied to that fold and to the test rows.

Shapes: V validation rows of all fits, v of one; M test rows, followed by U unlabelled ones; C classes; E width of the
features (hidden states).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from imagist.arrays import Array
from imagist.storage import digest_of
from imagist.study.store import Arrays, Store
from imagist.training.classifiers.history import Epoch

Fit = Callable[[int], Arrays]


@dataclass(frozen=True, eq=False)
class FitScores:
    """Scores of one fit.

    Attributes:
        validation: float32 ``[v, C]``, of the rows of its validation fold.
        test: float32 ``[M + U, C]``, of the test and the unlabelled rows.
        validation_features: float32 ``[v, E]``.
        test_features: float32 ``[M + U, E]``.
        history: Epochs of its training.
    """

    validation: Array
    test: Array
    validation_features: Array
    test_features: Array
    history: tuple[Epoch, ...]

    @cached_property
    def digest(self) -> str:
        """Identifies its features in the store."""
        return digest_of(self.validation_features, self.test_features)


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one classifier in one trial.

    Attributes:
        fits: One for each validation fold.
    """

    fits: tuple[FitScores, ...]

    @cached_property
    def validation(self) -> Array:
        """float32 ``[V, C]``, each row scored by the fit that was not trained on it."""
        return np.concatenate([each.validation for each in self.fits])

    @cached_property
    def test(self) -> Array:
        """float32 ``[M + U, C]``, the mean of the fits."""
        return np.asarray(np.mean([each.test for each in self.fits], axis=0), np.float32)

    @cached_property
    def digest(self) -> str:
        """Identifies the scores in the store."""
        return digest_of(self.validation, self.test)


def compute_scores(store: Store, keys: Sequence[str], fit: Fit, done: Callable[[bool], None]) -> Scores:
    """Returns the scores of a classifier; fits that are in the store are not computed again.

    Args:
        store: The study's store.
        keys: One for each fit.
        fit: Maps the number of an inner fold to the arrays that `to_arrays` returns.
        done: Called after each fit, with True if it was computed.
    """
    fits = []
    for number, key in enumerate(keys):
        new = not store.holds(key)
        fits.append(_from_arrays(store.of(key, partial(fit, number))))
        done(new)
    return Scores(tuple(fits))


def to_arrays(
    scores: tuple[Array, Array], features: tuple[Array, Array], history: Sequence[Epoch] = ()
) -> dict[str, np.ndarray]:
    """The scores of one fit as the store keeps them: scores, features in half precision, epochs.

    Args:
        scores: Of validation and test rows.
        features: Of the same rows.
        history: Epochs of the training.
    """
    epochs = [(e.number, e.loss, e.train_accuracy, _number(e.dev_accuracy), _number(e.dev_loss)) for e in history]
    return {
        "validation": scores[0], "test": scores[1],
        "validation_features": features[0].astype(np.float16), "test_features": features[1].astype(np.float16),
        "history": np.array(epochs, np.float64).reshape(-1, 5),
    }  # fmt: skip


def _from_arrays(kept: Arrays) -> FitScores:
    history = tuple(
        Epoch(int(n), float(loss), float(train), *(None if np.isnan(x) else float(x) for x in dev))
        for n, loss, train, *dev in kept["history"]
    )
    validation, test = (kept[name].astype(np.float32) for name in ("validation_features", "test_features"))
    return FitScores(kept["validation"], kept["test"], validation, test, history)


def _number(value: float | None) -> float:
    return np.nan if value is None else value
