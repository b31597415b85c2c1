"""Two opinions of one trial to one: calibrated and fused on held-out rows, then judged on the test rows.

Shapes: H held-out rows, M test rows and U spare ones, C classes, G weights, E1, E2 widths of hidden states.
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
from imagist.study.opinions import Opinion, Said
from imagist.study.store import Arrays, Store, key_of
from imagist.training.classifiers.distilled import Distillation, fit_distilled
from imagist.training.classifiers.feature_fusion import Features, fit_feature_fusion

GRID = 101  # weights tried


@dataclass(frozen=True, eq=False)
class Joined:
    """What came of a fusion in one trial.

    Attributes:
        held: float32 ``[H, C]``, of the rows that it was fitted on.
        test: float32 ``[M, C]``.
        spare: float32 ``[U, C]``.
        weight: How w was chosen, for fusions that have one.
        sweep: float64 ``[G]``, accuracy on the test rows at G even steps of w, for the same; never chosen by.
    """

    held: Array
    test: Array
    spare: Array
    weight: FittedWeight | None = None
    sweep: Floats | None = None

    @classmethod
    def of(cls, held: Array, asked: Array, judged: int, *chosen: Any) -> Joined:
        """With what is said of all that was asked, the M rows that judge first; and how w was chosen."""
        return cls(held, asked[:judged], asked[judged:], *chosen)


def alone(opinion: Opinion, targets: Ints, judged: int, store: Store) -> Joined:
    """A single opinion at the temperature that the held-out rows like best.

    Args:
        opinion: Of the image or of the words.
        targets: Of the held-out rows, ``[H]``.
        judged: M.
        store: Of what was computed.
    """
    temperature = _temperature(opinion.held, targets, store)
    return Joined.of(temperature.apply(opinion.held), temperature.apply(opinion.test), judged)


def join(
    kind: FusionKind,
    image: Opinion,
    text: Opinion,
    held: Ints,
    test: Ints,
    labels: LabelSet,
    settings: Fusions,
    seed: int,
    store: Store,
) -> Joined:
    """One fusion of two opinions.

    Args:
        kind: Which.
        image: What the image says.
        text: What the words say.
        held: Targets of the held-out rows, ``[H]``.
        test: Those of the test rows ``[M]``, for the sweep alone.
        labels: C names.
        settings: Of the fusions.
        seed: Of resamples and of the network.
        store: Of what was computed.
    """
    if kind == "score":
        return _scored(image, text, held, test, settings, seed, store)
    if kind == "features":
        return _features(image, text, held, len(test), labels, seed, store)
    fit: Callable[..., Fusion] = fit_logits if kind == "logit" else fit_stacking

    def compute() -> dict[str, Array]:
        fusion = fit(image.held, text.held, held)
        return {"held": fusion.fuse(image.held, text.held), "asked": fusion.fuse(image.test, text.test)}

    found = store.of(key_of(kind, image.digest, text.digest, held), compute)
    return Joined.of(found["held"], found["asked"], len(test))


def _scored(
    image: Opinion,
    text: Opinion,
    held: Ints,
    test: Ints,
    settings: Fusions,
    seed: int,
    store: Store,
) -> Joined:
    """Score-level fusion: temperatures and w from the store, the sweep at as many places as are asked for."""

    def compute() -> Arrays:
        made = calibrate(image.held, text.held, held, objective=settings.chosen_by, grid=GRID, seed=seed)
        w = made.weight
        return {
            "temperatures": np.array([each.value for each in (made.image, made.text, made.fused)]),
            "chosen": np.array([w.weight, *w.interval]),
            "curve": np.stack([w.weights, w.losses, w.accuracies]),
        }

    kept = store.of(key_of("score", image.digest, text.digest, held, settings.chosen_by, GRID, seed), compute)
    seen, said, fused = map(Temperature, kept["temperatures"].tolist())
    chosen, low, high = kept["chosen"].tolist()
    weight = FittedWeight(chosen, (low, high), *kept["curve"])
    fusion = Calibrated(seen, said, ScoreFusion(chosen), fused, weight)
    own = seen.apply(image.test), said.apply(text.test)
    steps = np.linspace(0, 1, settings.weights)
    sweep = np.array([accuracy(ScoreFusion(float(w)).fuse(*own)[: len(test)], test) for w in steps])
    both = fusion.fuse(image.held, text.held), fusion.fuse(image.test, text.test)
    return Joined.of(*both, len(test), weight, sweep)


def _features(
    image: Opinion, text: Opinion, targets: Ints, judged: int, labels: LabelSet, seed: int, store: Store
) -> Joined:
    """Feature-level fusion: one network a fit over hidden states of the rows that were held out of it; their mean."""
    of_held, of_asked, start = [], [], 0
    for seen, said in zip(image.fits, text.fits, strict=True):
        truth = targets[start : start + len(seen.held)]
        start += len(truth)
        found = _network(seen, said, truth, labels, seed, store)
        of_held.append(found["held"])
        of_asked.append(found["asked"])
    joint, asked = np.concatenate(of_held), np.asarray(np.mean(of_asked, axis=0), np.float32)
    temperature = _temperature(joint, targets, store)
    return Joined.of(temperature.apply(joint), temperature.apply(asked), judged)


def _network(seen: Said, said: Said, truth: Ints, labels: LabelSet, seed: int, store: Store) -> Arrays:
    """What the network of one fit says, of held-out rows and of those asked."""
    settings, learnt = Features(), np.arange(len(truth)) % 5 > 0  # a fifth says when to stop
    known, unknown = (seen.held_hidden, said.held_hidden), (seen.test_hidden, said.test_hidden)

    def compute() -> dict[str, Array]:
        own = known[0][learnt], known[1][learnt], truth[learnt]
        stop = known[0][~learnt], known[1][~learnt], truth[~learnt]
        fusion = fit_feature_fusion(settings, *own, labels, stop, seed).classifier
        return {"held": fusion.fuse_features(*known), "asked": fusion.fuse_features(*unknown)}

    return store.of(key_of("features", asdict(settings), seen.digest, said.digest, truth, [*labels], seed), compute)


def _temperature(scores: Array, targets: Ints, store: Store) -> Temperature:
    """As if there were one more row, on which the classifier errs: few rows without a mistake make it not certain."""

    def compute() -> Temperature:
        return fit_temperature(scores, targets, smoothing=1 / (len(targets) + 2))

    return store.record(key_of("temperature", scores, targets), Temperature, compute)


def distil(image: Opinion, teacher: Joined, targets: Ints, labels: LabelSet, seed: int, store: Store) -> Joined:
    """What an image classifier over frozen features learns from a fusion, on rows that were held out of it.

    Those are the held-out rows with their labels, and the spare ones without.

    Args:
        image: With the features as hidden states.
        teacher: The fusion.
        targets: Of the held-out rows, ``[H]``.
        labels: C names.
        seed: Of its training.
        store: Of what was computed.
    """
    held = np.concatenate([each.held_hidden for each in image.fits])
    asked, judged = image.fits[0].test_hidden, len(teacher.test)
    features, said = np.concatenate([held, asked[judged:]]), np.concatenate([teacher.held, teacher.spare])
    truth = [*targets.tolist(), *[None] * len(teacher.spare)]
    settings = Distillation()

    def compute() -> dict[str, Array]:
        fitted = fit_distilled(settings, features, said, truth, labels, seed=seed).classifier
        return {"held": fitted.scores_of(held), "asked": fitted.scores_of(asked)}

    fits = [each.digest for each in image.fits]
    found = store.of(key_of("distilled", asdict(settings), fits, said, targets, seed), compute)
    return Joined.of(found["held"], found["asked"], judged)
