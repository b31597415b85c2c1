"""Recipe: a study from its file to its outcomes. Reads top to bottom: data, trials, captions, opinions, fusions.

Whatever takes long is looked for in the store first, so that a killed study goes on and a new row costs only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np

from imagist.classified import Leak, refuse_leaks
from imagist.errors import UsageError
from imagist.records import Array
from imagist.study.captions import Places, captions_of
from imagist.study.config import PictureChoice, Study, TextChoice
from imagist.study.dataset import Dataset, Trial, assemble, leaks, trials
from imagist.study.joining import Joined, alone, distil, join
from imagist.study.opinions import Opinion, arrays, opinion
from imagist.study.results import Outcome, System, outcome
from imagist.study.store import Arrays, Store, key_of
from imagist.training.classifiers.pictures import Finetuned, LabelMap, cached_features, fit_pictures, open_network
from imagist.training.classifiers.words import fit_words
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
        computed: How many of the store's arrays were computed and not found.
    """

    study: Study
    data: Dataset
    trials: tuple[Trial, ...]
    captions: Mapping[str, tuple[str, ...]]
    outcomes: tuple[Outcome, ...]
    opinions: Mapping[System, tuple[Opinion, ...]]
    leaks: tuple[Leak, ...]
    computed: int


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
    data = assemble(study.data, places.data, by_account=study.folds.kind == "grouped")
    found_leaks = leaks(study.folds, data)
    every = tuple(trials(study.folds, data))
    if not allow_leakage:
        refuse_leaks(found_leaks)
        _refuse_learnt(learnt(study, data, every))
    store = Store(places.folder / "store")
    captions = {choice.name: captions_of(choice, data, store, places) for choice in study.captioners}

    jobs = [*_word_jobs(study, data, every, captions), *_picture_jobs(study, data, every, places)]
    progress = Progress("fits", sum(len(job.keys) for job in jobs), sum(store.holds(k) for j in jobs for k in j.keys))
    opinions: dict[System, list[Opinion]] = {}
    for job in jobs:

        def done(new: bool) -> None:
            if new:
                progress.step(1)

        opinions.setdefault(job.system, []).append(opinion(store, job.keys, job.fit, done))

    said = {
        system: [alone(o, data.targets[t.held], len(t.fold.test)) for o, t in zip(of, every, strict=True)]
        for system, of in opinions.items()
    }
    said |= dict(_fused(study, data, every, opinions, store))
    outcomes = tuple(outcome(system, joined, every, data) for system, joined in said.items())
    kept = {system: tuple(of) for system, of in opinions.items()}
    return Found(study, data, every, captions, outcomes, kept, tuple(found_leaks), store.computed)


@dataclass(frozen=True, eq=False)
class _Job:
    """One classifier in one trial: where its fits lie in the store, and how each is made."""

    system: System
    keys: tuple[str, ...]
    fit: Callable[[int], Arrays]


def _word_jobs(
    study: Study, data: Dataset, every: Sequence[Trial], captions: Mapping[str, tuple[str, ...]]
) -> list[_Job]:
    jobs = []
    for (captioner, said), choice in product(captions.items(), study.texts):
        texts = np.array(said, dtype=object)
        for trial in every:
            parts = [(each.train, each.test, trial.asked) for each in trial.inner]
            common = asdict(choice.settings), [*data.labels], said, data.targets, trial.seed
            keys = tuple(key_of("words", *common, *part) for part in parts)
            jobs.append(_Job(System("words", captioner, choice.name), keys, _word_fit(choice, texts, data, trial)))
    return jobs


def _word_fit(choice: TextChoice, texts: np.ndarray, data: Dataset, trial: Trial) -> Callable[[int], Arrays]:
    def fit(number: int) -> Arrays:
        inner = trial.inner[number]
        train, held, test = (texts[rows].tolist() for rows in (inner.train, inner.test, trial.asked))
        goals = data.targets[inner.train], data.targets[inner.test]
        fitted = fit_words(choice.settings, train, goals[0], data.labels, (held, goals[1]), trial.seed)
        says = fitted.classifier
        hidden = says.hidden(held), says.hidden(test)  # type: ignore[attr-defined]
        return arrays((says.scores(held), says.scores(test)), hidden, fitted.history)

    return fit


def _picture_jobs(study: Study, data: Dataset, every: Sequence[Trial], places: Places) -> list[_Job]:
    jobs = []
    for choice in study.pictures:
        for trial in every:
            parts = [(each.train, each.test, trial.asked) for each in trial.inner]
            common = asdict(choice.settings), [*data.labels], data.digest, data.targets, trial.seed
            keys = tuple(key_of("picture", *common, *part) for part in parts)
            jobs.append(_Job(System("picture", picture=choice.name), keys, _picture_fit(choice, data, trial, places)))
    return jobs


def _picture_fit(choice: PictureChoice, data: Dataset, trial: Trial, places: Places) -> Callable[[int], Arrays]:
    settings = choice.settings
    if isinstance(settings, LabelMap) and (places.config.parent / settings.table).is_file():
        settings = replace(settings, table=str(places.config.parent / settings.table))

    def fit(number: int) -> Arrays:
        inner = trial.inner[number]
        train, held, test = ([data.examples[i] for i in rows] for rows in (inner.train, inner.test, trial.asked))
        goals = data.targets[inner.train], data.targets[inner.test]
        fitted = fit_pictures(
            settings, train, goals[0], data.labels, (held, goals[1]), trial.seed, data=places.data,
            features=places.features,
        )  # fmt: skip
        says = fitted.classifier
        if isinstance(settings, Finetuned):
            photos = [data.photos(rows) for rows in (inner.test, trial.asked)]
            hidden: Sequence[Array] = [says.hidden(of) for of in photos]
        else:
            network = open_network(settings.network, places.data)
            hidden = [cached_features(network, settings.network, of, places.features) for of in (held, test)]
        of_held, of_test = hidden
        return arrays((says.scores_of(of_held), says.scores_of(of_test)), (of_held, of_test), fitted.history)

    return fit


def _fused(
    study: Study, data: Dataset, every: Sequence[Trial], opinions: Mapping[System, Sequence[Opinion]], store: Store
) -> list[tuple[System, list[Joined]]]:
    """Every pair of words and picture by every fusion; then, where asked for, what each first fusion can teach."""
    words, pictures = ([s for s in opinions if s.kind == kind] for kind in ("words", "picture"))
    found = []
    for said, seen in product(words, pictures):
        for kind in study.fusion.kinds:
            joined = [
                join(kind, opinions[seen][j], opinions[said][j], data.targets[t.held], data.targets[t.fold.test],
                     data.labels, study.fusion, t.seed, store)
                for j, t in enumerate(every)
            ]  # fmt: skip
            found.append((System("fused", said.captioner, said.text, seen.picture, kind), joined))
    if study.fusion.distilled:
        frozen = {choice.name for choice in study.pictures if not isinstance(choice.settings, Finetuned)}
        for system, joined in [each for each in found if each[0].fusion == study.fusion.kinds[0]]:
            if system.picture in frozen:
                of = opinions[System("picture", picture=system.picture)]
                taught = [
                    distil(of[j], joined[j], data.targets[t.held], data.labels, t.seed, store)
                    for j, t in enumerate(every)
                ]
                found.append((replace(system, kind="distilled"), taught))
    return found


def _check(study: Study) -> None:
    faults = [f"{what} has no entry" for what in ("texts", "captioners") if study.texts or study.captioners
              if not getattr(study, what)]  # fmt: skip
    if not study.texts and not study.pictures:
        faults.append("there is no classifier")
    given = {what: [each.name for each in getattr(study, what)] for what in ("captioners", "texts", "pictures")}
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
