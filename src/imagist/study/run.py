"""Runs a study: data, trials, captions, scores, fusions, evaluation.

Each long computation is kept in the store, so that a killed study resumes and an added system costs only itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from imagist.datasets.near_duplicates import Leak, refuse_leaks
from imagist.errors import UsageError
from imagist.study.analysis import CaptionInformation, caption_information
from imagist.study.captions import Paths, captions_of
from imagist.study.config import FusionKind, Study
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset, Trial, assemble, leaks, trials
from imagist.study.fusing import Pair, TrialProbabilities, calibrated, distilled, fused
from imagist.study.jobs import Job, image_jobs, text_jobs
from imagist.study.learnt import learnt_from_test
from imagist.study.results import Gain, System, SystemResult, evaluate_system, gains
from imagist.study.scores import Scores, compute_scores
from imagist.study.store import Store
from imagist.training.classifiers.image import Finetuned
from imagist.training.progress import Progress

Probabilities = dict[System, list[TrialProbabilities]]


@dataclass(frozen=True, eq=False)
class StudyResult:
    """The result of a study.

    Attributes:
        study: Its settings.
        paths: Where it read and wrote.
        data: The examples.
        trials: J of them.
        captions: Of all N examples, by captioner.
        systems: The result of each system, single classifiers first.
        scores: Of each single classifier in each trial, before calibration.
        gains: Of each fused or distilled system over its baseline.
        information: In the captions of each captioner.
        leaks: Near-duplicates of test images among the training images, where these were allowed.
        trained_on_test: Captioners that were trained on a test split, where that was allowed, as sentences.
        learnt_from_test: Captioners and networks whose files say that they learnt from test images, as sentences.
        computed: How many entries of the store the run computed, by kind.
    """

    study: Study
    paths: Paths
    data: Dataset
    trials: tuple[Trial, ...]
    captions: Mapping[str, tuple[str, ...]]
    systems: tuple[SystemResult, ...]
    scores: Mapping[System, tuple[Scores, ...]]
    gains: tuple[Gain, ...]
    information: tuple[CaptionInformation, ...]
    leaks: tuple[Leak, ...]
    trained_on_test: tuple[str, ...]
    learnt_from_test: tuple[str, ...]
    computed: Mapping[str, int]

    @property
    def best(self) -> SystemResult:
        """The most accurate system; the first of equal ones."""
        return max(self.systems, key=lambda each: each.accuracy.value)


def run(study: Study, paths: Paths, *, allow_leakage: bool = False) -> StudyResult:
    """Runs a study, or what is left of it.

    Args:
        study: Its settings.
        paths: Where it reads and writes.
        allow_leakage: Continue even if test images have near-duplicates among the training images, or a captioner was
            trained on them.

    Raises:
        DataError: Faults of the data, all of them at once; or leaks.
        UsageError: Settings that contradict each other.
        BundleError: A model cannot be downloaded or used.
    """
    _check(study)
    store, contents = Store(paths.folder / "store"), Contents()
    data = assemble(study.data, paths.data, store, study.folds)
    duplicates = leaks(study.folds, data)
    every = tuple(trials(study.folds, data))
    trained_on_test = _trained_on_test(study, data, every)
    if not allow_leakage:
        refuse_leaks(duplicates)
        _refuse_trained_on_test(trained_on_test)
    captions = {choice.name: captions_of(choice, data, store, paths, contents) for choice in study.captioners}
    jobs = [*text_jobs(study, data, every, captions, contents), *image_jobs(study, data, every, paths, contents)]
    scores = _scores(jobs, store)
    probabilities: Probabilities = {
        system: [
            calibrated(s, data.targets[t.validation], len(t.fold.test), store) for s, t in zip(of, every, strict=True)
        ]
        for system, of in scores.items()
    }
    probabilities |= _fused(study, data, every, scores, store)
    probabilities |= _distilled(study, data, every, scores, probabilities, store)
    systems = tuple(evaluate_system(system, of, every, data, store) for system, of in probabilities.items())
    gained = tuple(gains(systems, every, len(data.examples), store))
    information = caption_information(systems, captions, every, data, store)
    return StudyResult(
        study, paths, data, every, captions, systems, scores, gained, information, tuple(duplicates), trained_on_test,
        learnt_from_test(study, data, every, paths), dict(store.computed),
    )  # fmt: skip


def _scores(jobs: Sequence[Job], store: Store) -> dict[System, tuple[Scores, ...]]:
    """The scores of each classifier, one for each trial."""
    progress = Progress("fits", sum(len(job.keys) for job in jobs), sum(store.holds(k) for j in jobs for k in j.keys))

    def done(new: bool) -> None:
        if new:
            progress.step(1)

    scores: dict[System, list[Scores]] = {}
    for job in jobs:
        scores.setdefault(job.system, []).append(compute_scores(store, job.keys, job.fit, done))
    return {system: tuple(of) for system, of in scores.items()}


def _fused(
    study: Study, data: Dataset, every: Sequence[Trial], scores: Mapping[System, Sequence[Scores]], store: Store
) -> Probabilities:
    """Every pair of text and image classifier under every fusion."""
    texts, images = ([s for s in scores if s.kind == kind] for kind in ("text", "image"))

    def of(kind: FusionKind, text: System, image: System, number: int) -> TrialProbabilities:
        t = every[number]
        targets = data.targets[t.validation], data.targets[t.fold.test]
        pair = Pair(scores[image][number], scores[text][number], *targets, data.labels, t.seed)
        return fused(kind, pair, study.fusion, store)

    return {
        System("fused", text.captioner, text.text, image.image, kind): [
            of(kind, text, image, number) for number in range(len(every))
        ]
        for text, image in product(texts, images)
        for kind in study.fusion.kinds
    }


def _distilled(
    study: Study,
    data: Dataset,
    every: Sequence[Trial],
    scores: Mapping[System, Sequence[Scores]],
    probabilities: Probabilities,
    store: Store,
) -> Probabilities:
    """The students of the first fusion of each pair, where the study asks for them; only frozen networks have any."""
    if not study.fusion.distilled:
        return {}
    frozen = {choice.name for choice in study.image_classifiers if not isinstance(choice.settings, Finetuned)}
    teachers = [
        s for s in probabilities if s.kind == "fused" and s.fusion == study.fusion.kinds[0] and s.image in frozen
    ]
    return {
        replace(system, kind="distilled"): [
            distilled(image, teacher, data.targets[t.validation], data.labels, t.seed, store)
            for image, teacher, t in zip(
                scores[System("image", image=system.image)], probabilities[system], every, strict=True
            )
        ]
        for system in teachers
    }


def _check(study: Study) -> None:
    """Refuses settings that contradict each other, all faults at once."""
    reads_captions = study.text_classifiers or study.captioners
    missing = [what for what in ("text_classifiers", "captioners") if reads_captions and not getattr(study, what)]
    faults = [f"{what} has no entry" for what in missing]
    if not study.text_classifiers and not study.image_classifiers:
        faults.append("there is no classifier")
    given = {
        what: [each.name for each in getattr(study, what)]
        for what in ("captioners", "text_classifiers", "image_classifiers")
    }
    given |= {"fusion.kinds": [*study.fusion.kinds], "folds.seeds": [*study.folds.seeds]}
    faults += [f"{what} has {n!r} twice" for what, of in given.items() for n in dict.fromkeys(of) if of.count(n) > 1]
    faults += [f"folds.seeds has {seed}, below 0" for seed in study.folds.seeds if seed < 0]
    if not study.folds.seeds:
        faults.append("folds.seeds has no entry")
    if faults:
        raise UsageError("; ".join(faults), item=study.name, remedy="see imagist.study.config")


def _trained_on_test(study: Study, data: Dataset, every: Sequence[Trial]) -> tuple[str, ...]:
    """Which captioners were trained on a test split: their captions of these images are better than of others."""
    splits = sorted({str(data.examples[i].split) for trial in every for i in trial.fold.test})
    return tuple(
        f"{c.name} was trained on split {split}" for c in study.captioners for split in splits if split in c.trained_on
    )


def _refuse_trained_on_test(faults: Sequence[str]) -> None:
    if faults:
        raise UsageError(
            f"{'; '.join(faults)}, which is tested here", item="captioners",
            remedy="test on another split, take another captioner, or --allow-leakage",
        )  # fmt: skip
