"""The fits of a study: each classifier in each trial, the keys of its fits in the store, and how each fit is made.

A key depends on the contents of files, not on their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from imagist.arrays import Array
from imagist.bundle.checkpoints import model_folder
from imagist.classifiers.image.labelmap import LabelMapClassifier
from imagist.storage import digest_of
from imagist.study.captions import Paths
from imagist.study.config import ImageChoice, Study, TextChoice
from imagist.study.contents import Contents
from imagist.study.dataset import Dataset, Trial
from imagist.study.results import System
from imagist.study.scores import to_arrays
from imagist.study.store import Arrays, key_of
from imagist.training.classifiers.image import Finetuned, LabelMap, Linear, cached_features, fit_images
from imagist.training.classifiers.text import Tfidf, Transformer, ZeroShot, fit_words


@dataclass(frozen=True, eq=False)
class Job:
    """One classifier in one trial.

    Attributes:
        system: The classifier.
        keys: Of its fits in the store.
        fit: Maps the number of an inner fold to the arrays of `imagist.study.scores.to_arrays`.
    """

    system: System
    keys: tuple[str, ...]
    fit: Callable[[int], Arrays]


def text_jobs(
    study: Study, data: Dataset, every: Sequence[Trial], captions: Mapping[str, tuple[str, ...]], contents: Contents
) -> list[Job]:
    """Each text classifier on the captions of each captioner.

    Raises:
        BundleNotFound: A model of an installed package does not exist.
    """
    jobs, fused = [], "features" in study.fusion.kinds
    for (captioner, texts), choice in product(captions.items(), study.text_classifiers):
        of_examples = np.array(texts, dtype=object)
        common = digest_of(_text_key(choice.settings, contents), list(data.labels), texts, data.targets)
        for trial in every:
            keys = _keys("text", common, trial, features=fused)
            fit = _text_fit(choice, of_examples, data, trial, features=fused)
            jobs.append(Job(System("text", captioner, choice.name), keys, fit))
    return jobs


def image_jobs(study: Study, data: Dataset, every: Sequence[Trial], paths: Paths, contents: Contents) -> list[Job]:
    """Each image classifier."""
    jobs, features = [], "features" in study.fusion.kinds or study.fusion.distilled
    for each in study.image_classifiers:
        choice = located(each, paths)
        common = digest_of(_image_key(choice.settings, paths, contents), list(data.labels), data.digest, data.targets)
        for trial in every:
            keys = _keys("image", common, trial, features=features)
            fit = _image_fit(choice, data, trial, paths, features=features)
            jobs.append(Job(System("image", image=choice.name), keys, fit))
    return jobs


def located(choice: ImageChoice, paths: Paths) -> ImageChoice:
    """The choice with the path of its taxonomy resolved against the folder of the study's file."""
    settings = choice.settings
    if isinstance(settings, LabelMap) and (paths.config.parent / settings.taxonomy).is_file():
        return replace(choice, settings=replace(settings, taxonomy=str(paths.config.parent / settings.taxonomy)))
    return choice


def _keys(kind: str, common: str, trial: Trial, *, features: bool) -> tuple[str, ...]:
    rows, kept = trial.test_and_unlabelled, [] if features else ["scores alone"]
    return tuple(key_of(kind, common, trial.seed, part.train, part.test, rows, *kept) for part in trial.inner)


def _none(rows: Sequence[object] | Array) -> Array:
    """Features of rows where no fusion and no student reads them: ``[n, 0]``."""
    return np.zeros((len(rows), 0), np.float32)


def _text_key(settings: Tfidf | Transformer | ZeroShot, contents: Contents) -> dict[str, Any]:
    """The settings, with the contents of the model's folder instead of its name."""
    if isinstance(settings, Tfidf):
        return asdict(settings)
    return asdict(settings) | {"model": contents.of(model_folder(settings.model))}


def _image_key(settings: LabelMap | Linear | Finetuned, paths: Paths, contents: Contents) -> dict[str, Any]:
    """The settings, with the contents of weights and taxonomy instead of their names."""
    key = asdict(settings)
    if settings.network.weights is not None:
        key["network"]["weights"] = contents.of(paths.data / settings.network.weights)
    if isinstance(settings, LabelMap):
        key["taxonomy"] = contents.of(settings.taxonomy)
    return key


def _text_fit(
    choice: TextChoice, texts: np.ndarray, data: Dataset, trial: Trial, *, features: bool
) -> Callable[[int], Arrays]:
    def fit(number: int) -> Arrays:
        inner = trial.inner[number]
        train, validation, test = (
            texts[rows].tolist() for rows in (inner.train, inner.test, trial.test_and_unlabelled)
        )
        targets = data.targets[inner.train], data.targets[inner.test]
        fitted = fit_words(choice.settings, train, targets[0], data.labels, (validation, targets[1]), trial.seed)
        classifier = fitted.classifier
        scores = classifier.scores(validation), classifier.scores(test)
        hidden = [classifier.hidden(each) if features else _none(each) for each in (validation, test)]  # type: ignore[attr-defined]
        return to_arrays(scores, (hidden[0], hidden[1]), fitted.history)

    return fit


def _image_fit(
    choice: ImageChoice, data: Dataset, trial: Trial, paths: Paths, *, features: bool
) -> Callable[[int], Arrays]:
    settings = choice.settings

    def fit(number: int) -> Arrays:
        inner = trial.inner[number]
        train, validation, test = (
            [data.examples[i] for i in rows] for rows in (inner.train, inner.test, trial.test_and_unlabelled)
        )
        targets = data.targets[inner.train], data.targets[inner.test]
        fitted = fit_images(
            settings, train, targets[0], data.labels, (validation, targets[1]), trial.seed, data=paths.data,
            features=paths.features,
        )  # fmt: skip
        classifier = fitted.classifier
        if isinstance(settings, Finetuned):
            photos = [data.photos(rows) for rows in (inner.test, trial.test_and_unlabelled)]
            found: Sequence[Array] = [classifier.hidden(of) for of in photos]
        else:
            frozen: Any = classifier.network if isinstance(classifier, LabelMapClassifier) else classifier
            rows = cached_features(frozen.network, settings.network, [*validation, *test], paths.features)
            found = np.split(rows, [len(validation)])
        of_validation, of_test = found
        scores = classifier.scores_of(of_validation), classifier.scores_of(of_test)
        kept = (of_validation, of_test) if features else (_none(of_validation), _none(of_test))
        return to_arrays(scores, kept, fitted.history)

    return fit
