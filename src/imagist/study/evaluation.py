"""All systems of a study over its trials, and the comparisons of its main line: caption, image, and both fused.

The main line has the first text classifier, the first image classifier and the first fusion of the study, with each
captioner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from imagist.metrics.comparison import Compared, compare_all
from imagist.study.captions import Paths
from imagist.study.config import FusionKind, Study
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset, Trial
from imagist.study.fusing import Pair, TrialProbabilities, calibrated, distilled, fused
from imagist.study.jobs import Job, image_jobs, text_jobs
from imagist.study.results import Gain, System, SystemResult, evaluate_system, gains
from imagist.study.scores import Scores, compute_scores
from imagist.study.store import Store, key_of
from imagist.training.classifiers.image import Finetuned
from imagist.training.progress import Progress

Probabilities = dict[System, list[TrialProbabilities]]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All systems over the same trials.

    Attributes:
        shots: Examples of each category that a trial trains on, at most; 0 where it trains on all of a fold.
        systems: The result of each system, single classifiers first.
        gains: Of each fused or distilled system over its baseline.
        comparisons: Pairs of the main line, see `comparisons`.
    """

    shots: int
    systems: tuple[SystemResult, ...]
    gains: tuple[Gain, ...]
    comparisons: tuple[Compared, ...]


def evaluate(
    study: Study,
    data: Dataset,
    every: Sequence[Trial],
    captions: Mapping[str, tuple[str, ...]],
    store: Store,
    paths: Paths,
    contents: Contents,
) -> tuple[Evaluation, dict[System, tuple[Scores, ...]]]:
    """Fits and evaluates all systems; also gives the scores of each single classifier in each trial.

    Args:
        study: Its settings.
        data: The examples.
        every: The trials.
        captions: Of all N examples, by captioner.
        store: The study's store.
        paths: Where models and weights are looked for.
        contents: Hashes of files.

    Raises:
        BundleNotFound: A model of an installed package does not exist.
    """
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
    return Evaluation(study.folds.shots, systems, gained, comparisons(study, systems, store)), scores


def main_line(study: Study, systems: Sequence[SystemResult]) -> list[SystemResult]:
    """The systems of the main line: image, then text by captioner, then fused by captioner; those that there are."""
    images = [each.name for each in study.image_classifiers[:1]]
    texts = [(captioner.name, each.name) for captioner in study.captioners for each in study.text_classifiers[:1]]
    wanted = [
        *(System("image", image=image) for image in images),
        *(System("text", *text) for text in texts),
        *(System("fused", *text, image, kind) for text in texts for image in images for kind in study.fusion.kinds[:1]),
    ]
    found = {each.system: each for each in systems}
    return [found[system] for system in wanted if system in found]


def comparisons(study: Study, systems: Sequence[SystemResult], store: Store) -> tuple[Compared, ...]:
    """Pairs of the main line on the same test images.

    Each fused system with its two parts, the texts of each captioner with those of every captioner before it, and the
    image classifier with each text. p-values are of each pair alone.

    Args:
        study: Its settings.
        systems: Results of all systems.
        store: The study's store.
    """
    line = main_line(study, systems)
    image, texts, both = ([each for each in line if each.system.kind == kind] for kind in ("image", "text", "fused"))
    own = {each.system.captioner: each for each in texts}
    pairs = [
        *((each, part) for each in reversed(both) for part in (*image, own[each.system.captioner])),
        *((later, earlier) for n, later in reversed([*enumerate(texts)]) for earlier in texts[:n]),
        *((each, text) for each in image for text in texts),
    ]
    return tuple(_compared(first, second, store) for first, second in pairs)


def _compared(first: SystemResult, second: SystemResult, store: Store) -> Compared:
    names = first.system.name, second.system.name

    def compute() -> Compared:
        (compared,) = compare_all({names[0]: first.correct, names[1]: second.correct})
        return compared

    return store.record(key_of("pair", names, first.correct, second.correct), Compared, compute)


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
