"""The fits of a study: each classifier in each trial, where its fits lie in the store, and how each is made.

A fit goes by what its files hold, not by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from imagist.arrays import Array
from imagist.classifiers.image.labelmap import LabelMapClassifier
from imagist.classifiers.text.transformer import model_folder
from imagist.study.captions import Places
from imagist.study.config import ImageChoice, Study, TextChoice
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset, Trial
from imagist.study.opinions import arrays
from imagist.study.results import System
from imagist.study.store import Arrays, digest_of, key_of
from imagist.training.classifiers.image import Finetuned, LabelMap, Linear, cached_features, fit_images
from imagist.training.classifiers.text import Bag, Transformer, ZeroShot, fit_words


@dataclass(frozen=True, eq=False)
class Job:
    """One classifier in one trial.

    Attributes:
        system: Which.
        keys: Of its fits in the store.
        fit: From the number of an inner fold to what `imagist.study.opinions.arrays` gives.
    """

    system: System
    keys: tuple[str, ...]
    fit: Callable[[int], Arrays]


def word_jobs(
    study: Study, data: Dataset, every: Sequence[Trial], captions: Mapping[str, tuple[str, ...]], contents: Contents
) -> list[Job]:
    """Each captioner's words read by each classifier.

    Raises:
        BundleNotFound: A model of an installed package that is not there.
    """
    jobs = []
    for (captioner, said), choice in product(captions.items(), study.text_classifiers):
        texts = np.array(said, dtype=object)
        common = digest_of(_words_told(choice.settings, contents), list(data.labels), said, data.targets)
        for trial in every:
            keys = _keys("words", common, trial)
            jobs.append(Job(System("words", captioner, choice.name), keys, _word_fit(choice, texts, data, trial)))
    return jobs


def image_jobs(study: Study, data: Dataset, every: Sequence[Trial], places: Places, contents: Contents) -> list[Job]:
    """Each classifier of images."""
    jobs = []
    for choice in study.image_classifiers:
        located = replace(choice, settings=_located(choice.settings, places))
        told = _image_told(located.settings, places, contents)
        common = digest_of(told, list(data.labels), data.digest, data.targets)
        for trial in every:
            keys = _keys("image", common, trial)
            jobs.append(Job(System("image", image=choice.name), keys, _image_fit(located, data, trial, places)))
    return jobs


def _keys(kind: str, common: str, trial: Trial) -> tuple[str, ...]:
    return tuple(key_of(kind, common, trial.seed, part.train, part.test, trial.asked) for part in trial.inner)


def _words_told(settings: Bag | Transformer | ZeroShot, contents: Contents) -> dict[str, Any]:
    """The settings, with what the model's folder holds for its name."""
    if isinstance(settings, Bag):
        return asdict(settings)
    return asdict(settings) | {"model": contents.of(model_folder(settings.model))}


def _image_told(settings: LabelMap | Linear | Finetuned, places: Places, contents: Contents) -> dict[str, Any]:
    """The settings, with what files hold for the names of weights and taxonomy."""
    told = asdict(settings)
    if settings.network.weights is not None:
        told["network"]["weights"] = contents.of(places.data / settings.network.weights)
    if isinstance(settings, LabelMap):
        told["taxonomy"] = contents.of(settings.taxonomy)
    return told


def _located(settings: LabelMap | Linear | Finetuned, places: Places) -> LabelMap | Linear | Finetuned:
    """Looks for a label map's own taxonomy in the folder of the study's file."""
    if isinstance(settings, LabelMap) and (places.config.parent / settings.taxonomy).is_file():
        return replace(settings, taxonomy=str(places.config.parent / settings.taxonomy))
    return settings


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


def _image_fit(choice: ImageChoice, data: Dataset, trial: Trial, places: Places) -> Callable[[int], Arrays]:
    settings = choice.settings

    def fit(number: int) -> Arrays:
        inner = trial.inner[number]
        train, held, test = ([data.examples[i] for i in rows] for rows in (inner.train, inner.test, trial.asked))
        goals = data.targets[inner.train], data.targets[inner.test]
        fitted = fit_images(
            settings, train, goals[0], data.labels, (held, goals[1]), trial.seed, data=places.data,
            features=places.features,
        )  # fmt: skip
        says = fitted.classifier
        if isinstance(settings, Finetuned):
            photos = [data.photos(rows) for rows in (inner.test, trial.asked)]
            hidden: Sequence[Array] = [says.hidden(of) for of in photos]
        else:
            frozen: Any = says.network if isinstance(says, LabelMapClassifier) else says
            rows = cached_features(frozen.network, settings.network, [*held, *test], places.features)
            hidden = np.split(rows, [len(held)])
        of_held, of_test = hidden
        return arrays((says.scores_of(of_held), says.scores_of(of_test)), (of_held, of_test), fitted.history)

    return fit
