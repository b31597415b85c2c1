"""Runs a study: data, trials, captions, evaluation of all systems, once more with fewer labels.

Each long computation is kept in the store, so that a killed study resumes and an added system costs only itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imagist.datasets.near_duplicates import Leak, refuse_leaks
from imagist.errors import UsageError
from imagist.study.analysis import CaptionInformation, caption_information
from imagist.study.captions import Paths, captions_of
from imagist.study.config import Study
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset, Trial, assemble, leaks, trials
from imagist.study.evaluation import Evaluation, evaluate
from imagist.study.learnt import learnt_from_test
from imagist.study.results import Gain, System, SystemResult
from imagist.study.scores import Scores
from imagist.study.store import Store


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
        curve: All systems trained on few examples of each category, as ``folds.curve`` names them, then on all.
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
    curve: tuple[Evaluation, ...] = ()

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
    every = _trials(study, data)
    trained_on_test = _trained_on_test(study, data, every)
    if not allow_leakage:
        refuse_leaks(duplicates)
        _refuse_trained_on_test(trained_on_test)
    captions = {choice.name: captions_of(choice, data, store, paths, contents) for choice in study.captioners}
    whole, scores = evaluate(study, data, every, captions, store, paths, contents)
    curve = [_point(study, number, data, captions, store, paths, contents) for number in study.folds.curve]
    information = caption_information(whole.systems, captions, every, data, store)
    return StudyResult(
        study, paths, data, every, captions, whole.systems, scores, whole.gains, information, tuple(duplicates),
        trained_on_test, learnt_from_test(study, data, every, paths), dict(store.computed), (*curve, whole),
    )  # fmt: skip


def _point(
    study: Study,
    shots: int,
    data: Dataset,
    captions: Mapping[str, tuple[str, ...]],
    store: Store,
    paths: Paths,
    contents: Contents,
) -> Evaluation:
    """All systems trained on so many examples of each category."""
    few = replace(study, folds=replace(study.folds, shots=shots))
    return evaluate(few, data, _trials(few, data), captions, store, paths, contents)[0]


def _trials(study: Study, data: Dataset) -> tuple[Trial, ...]:
    """The trials; without unlabelled rows, where no student is trained on them."""
    every = tuple(trials(study.folds, data))
    if study.fusion.distilled:
        return every
    return tuple(replace(trial, unlabelled=trial.unlabelled[:0]) for trial in every)


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
