"""Calibrated probabilities of one trial: of a single classifier, a fusion of two, or a student of a fusion.

Temperatures and weights are fitted on validation rows and applied to test rows. Shapes: V validation rows, M test rows,
U unlabelled rows, C classes, G weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from imagist.arrays import Array, Floats, Ints
from imagist.classifiers.calibration import Temperature, fit_temperature
from imagist.classifiers.fusion import Calibrated, FittedWeight, ScoreFusion, calibrate, fit_logits, fit_stacking
from imagist.metrics.classes import accuracy
from imagist.protocols import Fusion
from imagist.records import LabelSet
from imagist.study.config import FusionKind, Fusions
from imagist.study.scores import FitScores, Scores
from imagist.study.store import Arrays, Store, key_of
from imagist.training.classifiers.distilled import Distillation, fit_distilled
from imagist.training.classifiers.feature_fusion import Features, fit_feature_fusion

GRID = 101  # weights tried


@dataclass(frozen=True, eq=False)
class TrialProbabilities:
    """Calibrated probabilities of one system in one trial.

    Attributes:
        validation: float32 ``[V, C]``, of the rows that calibration and fusion were fitted on.
        test: float32 ``[M, C]``.
        unlabelled: float32 ``[U, C]``.
        weight: The text weight w and how it was chosen, for fusions that have one.
        sweep: float64 ``[G]``, accuracy on the test rows at G even steps of w, for the same. Only for the figure:
            nothing is chosen by it.
    """

    validation: Array
    test: Array
    unlabelled: Array
    weight: FittedWeight | None = None
    sweep: Floats | None = None

    @classmethod
    def of(cls, validation: Array, test_and_unlabelled: Array, test_rows: int, *chosen: Any) -> TrialProbabilities:
        """Splits ``[M + U, C]`` after the first M rows; ``chosen`` is the weight and the sweep."""
        return cls(validation, test_and_unlabelled[:test_rows], test_and_unlabelled[test_rows:], *chosen)


@dataclass(frozen=True, eq=False)
class Pair:
    """An image classifier and a text classifier to fuse in one trial.

    Attributes:
        image: Scores of the image classifier.
        text: Scores of the text classifier.
        validation: Targets of the validation rows, ``[V]``.
        test: Targets of the test rows, ``[M]``; only the sweep reads them.
        labels: C names.
        seed: Seeds resampling and training.
    """

    image: Scores
    text: Scores
    validation: Ints
    test: Ints
    labels: LabelSet
    seed: int


def calibrated(scores: Scores, targets: Ints, test_rows: int, store: Store) -> TrialProbabilities:
    """A single classifier with the temperature fitted on its validation rows.

    Args:
        scores: Of the classifier.
        targets: Of the validation rows, ``[V]``.
        test_rows: M.
        store: The study's store.
    """
    temperature = _temperature(scores.validation, targets, store)
    return TrialProbabilities.of(temperature.apply(scores.validation), temperature.apply(scores.test), test_rows)


def fused(kind: FusionKind, pair: Pair, settings: Fusions, store: Store) -> TrialProbabilities:
    """One fusion of an image classifier and a text classifier.

    Args:
        kind: The kind of fusion.
        pair: The two classifiers with the targets of their rows.
        settings: Of the fusions.
        store: The study's store.
    """
    if kind == "score":
        return _score(pair, settings, store)
    if kind == "features":
        return _features(pair, store)
    fit: Callable[..., Fusion] = fit_logits if kind == "logit" else fit_stacking
    image, text = pair.image, pair.text

    def compute() -> dict[str, Array]:
        fusion = fit(image.validation, text.validation, pair.validation)
        return {
            "validation": fusion.fuse(image.validation, text.validation),
            "test": fusion.fuse(image.test, text.test),
        }

    kept = store.of(key_of(kind, image.digest, text.digest, pair.validation), compute)
    return TrialProbabilities.of(kept["validation"], kept["test"], len(pair.test))


def _score(pair: Pair, settings: Fusions, store: Store) -> TrialProbabilities:
    """Score fusion: the store keeps temperatures and w, the sweep is evaluated anew."""
    image, text = pair.image, pair.text

    def compute() -> Arrays:
        made = calibrate(
            image.validation, text.validation, pair.validation, objective=settings.chosen_by, grid=GRID, seed=pair.seed
        )
        w = made.weight
        return {
            "temperatures": np.array([each.value for each in (made.image, made.text, made.fused)]),
            "chosen": np.array([w.weight, *w.interval]),
            "curve": np.stack([w.weights, w.losses, w.accuracies]),
        }

    key = key_of("score", image.digest, text.digest, pair.validation, settings.chosen_by, GRID, pair.seed)
    kept = store.of(key, compute)
    of_image, of_text, of_both = map(Temperature, kept["temperatures"].tolist())
    chosen, low, high = kept["chosen"].tolist()
    weight = FittedWeight(chosen, (low, high), *kept["curve"])
    fusion = Calibrated(of_image, of_text, ScoreFusion(chosen), of_both, weight)
    single = of_image.apply(image.test), of_text.apply(text.test)
    steps, rows = np.linspace(0, 1, settings.weights), len(pair.test)
    sweep = np.array([accuracy(ScoreFusion(float(w)).fuse(*single)[:rows], pair.test) for w in steps])
    both = fusion.fuse(image.validation, text.validation), fusion.fuse(image.test, text.test)
    return TrialProbabilities.of(*both, rows, weight, sweep)


def _features(pair: Pair, store: Store) -> TrialProbabilities:
    """Feature fusion: one network per fit, trained on features of its validation rows; test rows get the mean."""
    validation, test, start = [], [], 0
    for image, text in zip(pair.image.fits, pair.text.fits, strict=True):
        targets = pair.validation[start : start + len(image.validation)]
        start += len(targets)
        kept = _network(image, text, targets, pair, store)
        validation.append(kept["validation"])
        test.append(kept["test"])
    joint, mean = np.concatenate(validation), np.asarray(np.mean(test, axis=0), np.float32)
    temperature = _temperature(joint, pair.validation, store)
    return TrialProbabilities.of(temperature.apply(joint), temperature.apply(mean), len(pair.test))


def _network(image: FitScores, text: FitScores, targets: Ints, pair: Pair, store: Store) -> Arrays:
    """Probabilities of the network of one fit; every fifth validation row is used for early stopping alone."""
    settings, train = Features(), np.arange(len(targets)) % 5 > 0
    validation = image.validation_features, text.validation_features

    def compute() -> dict[str, Array]:
        learn = validation[0][train], validation[1][train], targets[train]
        stop = validation[0][~train], validation[1][~train], targets[~train]
        fusion = fit_feature_fusion(settings, *learn, pair.labels, stop, pair.seed).classifier
        return {
            "validation": fusion.fuse_features(*validation),
            "test": fusion.fuse_features(image.test_features, text.test_features),
        }

    return store.of(
        key_of("features", asdict(settings), image.digest, text.digest, targets, [*pair.labels], pair.seed), compute
    )


def _temperature(scores: Array, targets: Ints, store: Store) -> Temperature:
    """Fits a temperature as if one more row were misclassified, so that few rows without an error don't make it 0."""

    def compute() -> Temperature:
        return fit_temperature(scores, targets, smoothing=1 / (len(targets) + 2))

    return store.record(key_of("temperature", scores, targets), Temperature, compute)


def distilled(
    image: Scores, teacher: TrialProbabilities, targets: Ints, labels: LabelSet, seed: int, store: Store
) -> TrialProbabilities:
    """An image classifier over frozen features that is trained on the probabilities of a fusion.

    It is trained on the validation rows with their labels and on the unlabelled rows.

    Args:
        image: Scores of the image classifier, with its features.
        teacher: Probabilities of the fusion.
        targets: Of the validation rows, ``[V]``.
        labels: C names.
        seed: Of its training.
        store: The study's store.
    """
    validation = np.concatenate([each.validation_features for each in image.fits])
    test, test_rows = image.fits[0].test_features, len(teacher.test)
    features = np.concatenate([validation, test[test_rows:]])
    teaching = np.concatenate([teacher.validation, teacher.unlabelled])
    known = [*targets.tolist(), *[None] * len(teacher.unlabelled)]
    settings = Distillation()

    def compute() -> dict[str, Array]:
        fitted = fit_distilled(settings, features, teaching, known, labels, seed=seed).classifier
        return {"validation": fitted.scores(validation), "test": fitted.scores(test)}

    fits = [each.digest for each in image.fits]
    kept = store.of(key_of("distilled", asdict(settings), fits, teaching, targets, seed), compute)
    return TrialProbabilities.of(kept["validation"], kept["test"], test_rows)
