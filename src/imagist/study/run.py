"""Recipe: a study from its file to its outcomes. Reads top to bottom: data, trials, captions, opinions, fusions.

Whatever takes long is looked for in the store first, so that a killed study goes on and a new row costs only itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from imagist.datasets.labels import Leak, refuse_leaks
from imagist.errors import UsageError
from imagist.study.captions import Places, captions_of
from imagist.study.config import Study
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset, Trial, assemble, leaks, trials
from imagist.study.jobs import image_jobs, word_jobs
from imagist.study.joining import Joined, alone, distil, join
from imagist.study.opinions import Opinion, opinion
from imagist.study.results import Outcome, System, outcome
from imagist.study.store import Store
from imagist.training.classifiers.image import Finetuned
from imagist.training.progress import Progress


@dataclass(frozen=True, eq=False)
class Found:
    """All that a study found.

    Attributes:
        study: Its settings.
        data: The examples.
        trials: J of them.
        captions: Of all N examples, by captioner.
        outcomes: Of each system, single opinions first.
        opinions: What the classifiers said, a trial each, by single system.
        leaks: Near-duplicates that are trained on and judged, where that was allowed.
        store: Of what was computed.
        computed: How many of its entries were computed in the run and not found, by kind.
    """

    study: Study
    data: Dataset
    trials: tuple[Trial, ...]
    captions: Mapping[str, tuple[str, ...]]
    outcomes: tuple[Outcome, ...]
    opinions: Mapping[System, tuple[Opinion, ...]]
    leaks: tuple[Leak, ...]
    store: Store
    computed: Mapping[str, int]


def run(study: Study, places: Places, *, allow_leakage: bool = False) -> Found:
    """Runs a study, or what is left of it.

    Args:
        study: Its settings.
        places: Where it looks and writes.
        allow_leakage: Goes on where near-duplicates, or photos that a captioner has learnt from, are judged.

    Raises:
        DataError: Faults of the data, all of them at once; or leaks.
        UsageError: Settings that make no sense together.
        BundleError: A model cannot be had or used.
    """
    _check(study)
    store, contents = Store(places.folder / "store"), Contents()
    data = assemble(study.data, places.data, store, study.folds)
    found_leaks = leaks(study.folds, data)
    every = tuple(trials(study.folds, data))
    if not allow_leakage:
        refuse_leaks(found_leaks)
        _refuse_learnt(learnt(study, data, every))
    captions = {choice.name: captions_of(choice, data, store, places, contents) for choice in study.captioners}

    jobs = [*word_jobs(study, data, every, captions, contents), *image_jobs(study, data, every, places, contents)]
    progress = Progress("fits", sum(len(job.keys) for job in jobs), sum(store.holds(k) for j in jobs for k in j.keys))
    opinions: dict[System, list[Opinion]] = {}
    for job in jobs:

        def done(new: bool) -> None:
            if new:
                progress.step(1)

        opinions.setdefault(job.system, []).append(opinion(store, job.keys, job.fit, done))

    said = {
        system: [alone(o, data.targets[t.held], len(t.fold.test), store) for o, t in zip(of, every, strict=True)]
        for system, of in opinions.items()
    }
    said |= dict(_fused(study, data, every, opinions, store))
    outcomes = tuple(outcome(system, joined, every, data, store) for system, joined in said.items())
    kept = {system: tuple(of) for system, of in opinions.items()}
    computed = dict(store.computed)
    return Found(study, data, every, captions, outcomes, kept, tuple(found_leaks), store, computed)


def _fused(
    study: Study, data: Dataset, every: Sequence[Trial], opinions: Mapping[System, Sequence[Opinion]], store: Store
) -> list[tuple[System, list[Joined]]]:
    """Every pair of words and image by every fusion; then, where asked for, what each first fusion can teach."""
    words, images = ([s for s in opinions if s.kind == kind] for kind in ("words", "image"))
    found = []
    for said, seen in product(words, images):
        for kind in study.fusion.kinds:
            joined = [
                join(kind, opinions[seen][j], opinions[said][j], data.targets[t.held], data.targets[t.fold.test],
                     data.labels, study.fusion, t.seed, store)
                for j, t in enumerate(every)
            ]  # fmt: skip
            found.append((System("fused", said.captioner, said.text, seen.image, kind), joined))
    if study.fusion.distilled:
        frozen = {choice.name for choice in study.image_classifiers if not isinstance(choice.settings, Finetuned)}
        for system, joined in [each for each in found if each[0].fusion == study.fusion.kinds[0]]:
            if system.image in frozen:
                of = opinions[System("image", image=system.image)]
                taught = [
                    distil(of[j], joined[j], data.targets[t.held], data.labels, t.seed, store)
                    for j, t in enumerate(every)
                ]
                found.append((replace(system, kind="distilled"), taught))
    return found


def _check(study: Study) -> None:
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


def learnt(study: Study, data: Dataset, every: Sequence[Trial]) -> list[str]:
    """Which captioners have learnt from what judges: such a one says more of these photos than of others."""
    splits = sorted({str(data.examples[i].split) for trial in every for i in trial.fold.test})
    return [f"{c.name} has learnt from split {s}" for c in study.captioners for s in splits if s in c.seen]


def _refuse_learnt(found: Sequence[str]) -> None:
    if found:
        raise UsageError(
            f"{'; '.join(found)}, which is judged here", item="captioners",
            remedy="judge on another split, take another captioner, or --allow-leakage",
        )  # fmt: skip
