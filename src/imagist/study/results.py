"""Results of a study: test probabilities and metrics of each system, and significance tests between systems.

Shapes: N test rows of all trials, M of one trial; C classes; S seeds; J trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from imagist.arrays import Array, Bools, Ints
from imagist.metrics.classes import (
    accuracy,
    brier_score,
    correct,
    expected_calibration_error,
    negative_log_likelihood,
)
from imagist.metrics.comparison import Compared, compare_all, corrected_resampled_t, holm
from imagist.metrics.significance import Interval, mean_interval
from imagist.study.dataset import Dataset, Trial
from imagist.study.fusing import TrialProbabilities
from imagist.study.store import Store, key_of

Kind = Literal["text", "image", "fused", "distilled"]


@dataclass(frozen=True)
class System:
    """One combination of parts that predicts a category.

    Attributes:
        kind: ``text`` and ``image`` are single classifiers, ``fused`` is a fusion of both, ``distilled`` an image
            classifier trained on the probabilities of a fusion.
        captioner: Name of the captioner; empty for images alone.
        text: Name of the text classifier; empty for images alone.
        image: Name of the image classifier; empty for text alone.
        fusion: Kind of the fusion (of the teacher, where distilled); empty for single classifiers.
    """

    kind: Kind
    captioner: str = ""
    text: str = ""
    image: str = ""
    fusion: str = ""

    @property
    def name(self) -> str:
        """Its name in tables and figures."""
        text = f"{self.captioner} > {self.text}"
        return {
            "text": text,
            "image": self.image,
            "fused": f"{text} + {self.image} ({self.fusion})",
            "distilled": f"{self.image} distilled from {text} ({self.fusion})",
        }[self.kind]


@dataclass(frozen=True)
class TrialMetrics:
    """Metrics of one system on the test rows of one trial.

    Attributes:
        accuracy: 0..1.
        top5_accuracy: Share of rows whose label is among the five most probable, 0..1.
        nll: Mean negative log-likelihood, in nats.
        brier: Brier score, 0..2.
        ece: Expected calibration error, 15 bins, 0..1.
        text_weight: w of the fusion, 0..1; None where it has none.
    """

    accuracy: float
    top5_accuracy: float
    nll: float
    brier: float
    ece: float
    text_weight: float | None = None


@dataclass(frozen=True, eq=False)
class SystemResult:
    """One system over all trials.

    Attributes:
        system: The system.
        trials: Its probabilities in each of J trials.
        metrics: Its metrics in each of J trials.
        correct: bool ``[S, N]``, whether each test row is correct under each seed, rows in ascending order.
        probabilities: float32 ``[N, C]``, the mean over the seeds.
        accuracy: The mean over trials, with the bootstrap interval over the test rows.
    """

    system: System
    trials: tuple[TrialProbabilities, ...]
    metrics: tuple[TrialMetrics, ...]
    correct: Bools
    probabilities: Array
    accuracy: Interval


def evaluate_system(
    system: System, of: Sequence[TrialProbabilities], trials: Sequence[Trial], data: Dataset, store: Store
) -> SystemResult:
    """Evaluates a system on the test rows.

    Args:
        system: The system.
        of: Its probabilities, one for each trial.
        trials: The same J trials.
        data: The examples with their targets.
        store: The study's store.
    """
    metrics = tuple(_metrics(each, data.targets[t.fold.test]) for each, t in zip(of, trials, strict=True))
    rows = test_rows(trials)
    seeds = sorted({trial.seed for trial in trials})
    right = np.zeros((len(seeds), len(rows)), bool)
    probabilities = np.zeros((len(rows), len(data.labels)))
    for each, trial in zip(of, trials, strict=True):
        places = np.searchsorted(rows, trial.fold.test)
        right[seeds.index(trial.seed), places] = correct(each.test, data.targets[trial.fold.test])
        probabilities[places] += each.test
    mean = right.mean(axis=0)
    interval = store.record(key_of("accuracy", mean), Interval, lambda: mean_interval(mean))
    return SystemResult(system, tuple(of), metrics, right, (probabilities / len(seeds)).astype(np.float32), interval)


def test_rows(trials: Sequence[Trial]) -> Ints:
    """The rows that are tested in some trial, ascending: they are the same under every seed."""
    return np.unique(np.concatenate([trial.fold.test for trial in trials]))


def _metrics(of: TrialProbabilities, targets: Ints) -> TrialMetrics:
    p = of.test
    return TrialMetrics(
        accuracy(p, targets), accuracy(p, targets, k=5), negative_log_likelihood(p, targets), brier_score(p, targets),
        expected_calibration_error(p, targets), None if of.weight is None else of.weight.weight,
    )  # fmt: skip


@dataclass(frozen=True)
class Gain:
    """How much a fused or distilled system gains over its baseline.

    Attributes:
        compared: Difference of accuracy on the test rows with its interval; p by McNemar or the paired bootstrap,
            adjusted by Holm over all gains of the study.
        trials_p: p of the corrected resampled t-test over the trials; None with a single trial.
    """

    compared: Compared
    trials_p: float | None


def gains(results: Sequence[SystemResult], trials: Sequence[Trial], items: int, store: Store) -> list[Gain]:
    """Compares each fused system with the better of its two parts, and each distilled one with its image classifier.

    The better part is the one with the higher accuracy on the test rows themselves, which makes the comparison harder.

    Args:
        results: Of all systems.
        trials: J of them.
        items: Number of all examples of the study, for the share that a trial tests.
        store: The study's store; Holm's correction is always computed anew, over all gains together.
    """
    by_system = {each.system: each for each in results}
    made = []
    for each in results:
        if each.system.kind not in ("fused", "distilled"):
            continue
        image = by_system[System("image", image=each.system.image)]
        text = by_system[System("text", each.system.captioner, each.system.text)]
        baseline = image if each.system.kind == "distilled" or image.correct.mean() >= text.correct.mean() else text
        made.append(_gain(each, baseline, trials, items, store))
    adjusted = holm([gain.compared.p_value for gain in made])
    return [
        replace(gain, compared=replace(gain.compared, adjusted=float(p)))
        for gain, p in zip(made, adjusted, strict=True)
    ]


def _gain(first: SystemResult, second: SystemResult, trials: Sequence[Trial], items: int, store: Store) -> Gain:
    names = first.system.name, second.system.name
    share = float(np.mean([len(trial.fold.test) for trial in trials])) / items
    accuracies = [[metrics.accuracy for metrics in each.metrics] for each in (first, second)]

    def compute() -> Gain:
        (compared,) = compare_all({names[0]: first.correct, names[1]: second.correct})
        p = corrected_resampled_t(*accuracies, test_share=share).p_value if len(trials) > 1 else None
        return Gain(compared, p)

    return store.record(key_of("gain", names, first.correct, second.correct, accuracies, share), Gain, compute)
