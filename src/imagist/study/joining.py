"""Two opinions of one trial to one: calibrated and fused on held-out rows, then judged on the test rows.

Shapes: H held-out rows, M test rows, C classes, G weights, E1, E2 widths of hidden states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from imagist.calibration import Temperature, fit_temperature
from imagist.fusion import FittedWeight, ScoreFusion, calibrate, fit_logits, fit_stacking
from imagist.metrics.classes import accuracy
from imagist.protocols import Fusion
from imagist.records import Array, LabelSet
from imagist.study.config import FusionKind, Fusions
from imagist.study.opinions import Opinion
from imagist.study.store import Store, key_of
from imagist.training.classifiers.distilled import Distillation, fit_distilled
from imagist.training.classifiers.feature_fusion import Features, fit_feature_fusion

Floats = NDArray[np.float64]
GRID = 101  # weights tried


@dataclass(frozen=True, eq=False)
class Joined:
    """What came of a fusion in one trial.

    Attributes:
        held: float32 ``[H, C]``, of the rows that it was fitted on.
        test: float32 ``[M, C]``.
        weight: How w was chosen, for fusions that have one.
        sweep: float64 ``[G]``, accuracy on the test rows at G even steps of w, for the same; never chosen by.
    """

    held: Array
    test: Array
    weight: FittedWeight | None = None
    sweep: Floats | None = None


def alone(opinion: Opinion, targets: NDArray[np.int64]) -> Joined:
    """A single opinion at the temperature that the held-out rows like best.

    Args:
        opinion: Of the picture or of the words.
        targets: Of the held-out rows, ``[H]``.
    """
    temperature = _temperature(opinion.held, targets)
    return Joined(temperature.apply(opinion.held), temperature.apply(opinion.test))


def join(
    kind: FusionKind,
    image: Opinion,
    text: Opinion,
    held: NDArray[np.int64],
    test: NDArray[np.int64],
    labels: LabelSet,
    settings: Fusions,
    seed: int,
) -> Joined:
    """One fusion of two opinions.

    Args:
        kind: Which.
        image: What the picture says.
        text: What the words say.
        held: Targets of the held-out rows, ``[H]``.
        test: Those of the test rows ``[M]``, for the sweep alone.
        labels: C names.
        settings: Of the fusions.
        seed: Of resamples and of the network.
    """
    if kind == "score":
        found = calibrate(image.held, text.held, held, objective=settings.chosen_by, grid=GRID, seed=seed)
        own = found.image.apply(image.test), found.text.apply(text.test)
        steps = np.linspace(0, 1, settings.weights)
        sweep = np.array([accuracy(ScoreFusion(float(w)).fuse(*own), test) for w in steps])
        fused = found.fuse(image.held, text.held), found.fuse(image.test, text.test)
        return Joined(*fused, found.weight, sweep)
    if kind == "features":
        return _features(image, text, held, labels, seed)
    fit: Callable[..., Fusion] = fit_logits if kind == "logit" else fit_stacking
    fusion = fit(image.held, text.held, held)
    return Joined(fusion.fuse(image.held, text.held), fusion.fuse(image.test, text.test))


def _features(image: Opinion, text: Opinion, targets: NDArray[np.int64], labels: LabelSet, seed: int) -> Joined:
    """Feature-level fusion: one network a fit over hidden states of the rows that were held out of it; their mean."""
    held, test, start = [], [], 0
    for seen, said in zip(image.fits, text.fits, strict=True):
        truth = targets[start : start + len(seen.held)]
        start += len(truth)
        known, judged = (seen.held_hidden, said.held_hidden), (seen.test_hidden, said.test_hidden)
        learnt = np.arange(len(truth)) % 5 > 0  # a fifth says when to stop
        seen_of, said_of = known
        stop = seen_of[~learnt], said_of[~learnt], truth[~learnt]
        fitted = fit_feature_fusion(Features(), seen_of[learnt], said_of[learnt], truth[learnt], labels, stop, seed)
        held.append(fitted.classifier.fuse_features(*known))
        test.append(fitted.classifier.fuse_features(*judged))
    joint, judged_joint = np.concatenate(held), np.asarray(np.mean(test, axis=0), np.float32)
    temperature = _temperature(joint, targets)
    return Joined(temperature.apply(joint), temperature.apply(judged_joint))


def _temperature(scores: Array, targets: NDArray[np.int64]) -> Temperature:
    """As if there were one more row, on which the classifier errs: few rows without a mistake make it not certain."""
    return fit_temperature(scores, targets, smoothing=1 / (len(targets) + 2))


def distil(
    picture: Opinion, teacher: Joined, targets: NDArray[np.int64], labels: LabelSet, seed: int, store: Store
) -> Joined:
    """What a picture classifier over frozen features learns from a fusion, on the rows that were held out of it.

    Args:
        picture: With the features as hidden states.
        teacher: The fusion.
        targets: Of the held-out rows, ``[H]``.
        labels: C names.
        seed: Of its training.
        store: Of what was computed.
    """
    features = np.concatenate([each.held_hidden for each in picture.fits])
    judged = picture.fits[0].test_hidden
    settings = Distillation()

    def compute() -> dict[str, Array]:
        fitted = fit_distilled(settings, features, teacher.held, targets, labels, seed=seed).classifier
        return {"held": fitted.scores_of(features), "test": fitted.scores_of(judged)}

    key = key_of("distilled", asdict(settings), features, judged, teacher.held, targets, seed)
    found = store.of(key, compute)
    return Joined(found["held"], found["test"])
