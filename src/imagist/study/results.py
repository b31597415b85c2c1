"""What a study found: each system's word on every judged row, its figures by trial, and who is better than whom.

Shapes: N judged rows, M of them in one trial; C classes; S seeds; J trials.
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
from imagist.study.joining import Joined
from imagist.study.store import Store, key_of

Kind = Literal["words", "image", "fused", "distilled"]


@dataclass(frozen=True)
class System:
    """A way to a verdict.

    Attributes:
        kind: Who speaks.
        captioner: Whose words; empty where none are needed.
        text: Which classifier of words.
        image: Which classifier of images; empty for words alone.
        fusion: How the two are joined.
    """

    kind: Kind
    captioner: str = ""
    text: str = ""
    image: str = ""
    fusion: str = ""

    @property
    def name(self) -> str:
        """As tables and figures call it."""
        words = f"{self.captioner} > {self.text}"
        return {
            "words": words,
            "image": self.image,
            "fused": f"{words} + {self.image} ({self.fusion})",
            "distilled": f"{self.image} taught by {words} ({self.fusion})",
        }[self.kind]


@dataclass(frozen=True)
class Figures:
    """How good one system is in one trial.

    Attributes:
        accuracy: 0 to 1.
        top5: Share of rows whose label is among the five likeliest.
        loss: Mean negative log-likelihood, in nats.
        brier: 0 to 2.
        calibration_error: Expected calibration error, 15 bins, 0 to 1.
        weight: Of the words, where the fusion has one.
    """

    accuracy: float
    top5: float
    loss: float
    brier: float
    calibration_error: float
    weight: float | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """One system over all trials.

    Attributes:
        system: Which.
        joined: In each of J trials.
        figures: The same.
        right: bool ``[S, N]``, whether each judged row was right under each seed, rows in ascending order.
        probabilities: float32 ``[N, C]``, the mean over the seeds.
        accuracy: The mean over trials, with the bootstrap interval over the judged rows.
    """

    system: System
    joined: tuple[Joined, ...]
    figures: tuple[Figures, ...]
    right: Bools
    probabilities: Array
    accuracy: Interval


def outcome(system: System, joined: Sequence[Joined], trials: Sequence[Trial], data: Dataset, store: Store) -> Outcome:
    """Judges a system.

    Args:
        system: Which.
        joined: What it said, a trial each.
        trials: The same J.
        data: With the truth.
        store: Of what was computed.
    """
    figures = tuple(_figures(j, data.targets[t.fold.test]) for j, t in zip(joined, trials, strict=True))
    rows = judged(trials)
    seeds = sorted({trial.seed for trial in trials})
    right = np.zeros((len(seeds), len(rows)), bool)
    probabilities = np.zeros((len(rows), len(data.labels)))
    for said, trial in zip(joined, trials, strict=True):
        places = np.searchsorted(rows, trial.fold.test)
        right[seeds.index(trial.seed), places] = correct(said.test, data.targets[trial.fold.test])
        probabilities[places] += said.test
    mean = right.mean(axis=0)
    found = store.record(key_of("accuracy", mean), Interval, lambda: mean_interval(mean))
    return Outcome(system, tuple(joined), figures, right, (probabilities / len(seeds)).astype(np.float32), found)


def judged(trials: Sequence[Trial]) -> Ints:
    """The rows that some trial judges on, ascending: every seed judges on the same."""
    return np.unique(np.concatenate([trial.fold.test for trial in trials]))


def _figures(joined: Joined, targets: Ints) -> Figures:
    p = joined.test
    return Figures(
        accuracy(p, targets), accuracy(p, targets, k=5), negative_log_likelihood(p, targets), brier_score(p, targets),
        expected_calibration_error(p, targets), None if joined.weight is None else joined.weight.weight,
    )  # fmt: skip


@dataclass(frozen=True)
class Gain:
    """A system against one that it ought to beat.

    Attributes:
        compared: Difference of accuracy on the judged rows with its interval; p by McNemar or the paired bootstrap,
            adjusted by Holm over all gains of the study.
        trials_p: p of the corrected resampled t-test over the trials; None where there is one.
    """

    compared: Compared
    trials_p: float | None


def gains(outcomes: Sequence[Outcome], trials: Sequence[Trial], items: int, store: Store) -> list[Gain]:
    """Each fused system against the better of its two branches, and each distilled one against its image's branch.

    The better branch is that with the higher accuracy on the judged rows themselves, which is the harder comparison.

    Args:
        outcomes: Of all systems.
        trials: J of them.
        items: All examples of the study, for the share that a trial tests.
        store: Of what was computed; the correction is made anew, for it is of all gains together.
    """
    by_system = {each.system: each for each in outcomes}
    found = []
    for each in outcomes:
        if each.system.kind not in ("fused", "distilled"):
            continue
        image = by_system[System("image", image=each.system.image)]
        words = by_system[System("words", each.system.captioner, each.system.text)]
        rival = image if each.system.kind == "distilled" or image.right.mean() >= words.right.mean() else words
        found.append(_gain(each, rival, trials, items, store))
    adjusted = holm([gain.compared.p_value for gain in found])
    return [
        replace(gain, compared=replace(gain.compared, adjusted=float(p)))
        for gain, p in zip(found, adjusted, strict=True)
    ]


def _gain(first: Outcome, second: Outcome, trials: Sequence[Trial], items: int, store: Store) -> Gain:
    names = first.system.name, second.system.name
    share = float(np.mean([len(trial.fold.test) for trial in trials])) / items
    accuracies = [[figures.accuracy for figures in each.figures] for each in (first, second)]

    def compute() -> Gain:
        (compared,) = compare_all({names[0]: first.right, names[1]: second.right})
        p = corrected_resampled_t(*accuracies, test_share=share).p_value if len(trials) > 1 else None
        return Gain(compared, p)

    return store.record(key_of("gain", names, first.right, second.right, accuracies, share), Gain, compute)
