"""Recipe: labelled images to a model. Reads top to bottom: examples, folds, classifiers, fusion, figures, model.

Shapes: N examples; C classes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from imagist import __version__
from imagist.arrays import Bools
from imagist.bundle import trained_on, write_trained_on
from imagist.captioning.loading import cores
from imagist.classifiers.matched import resolved
from imagist.classifiers.taxonomy import identity, open_taxonomy, taxonomy_key
from imagist.datasets.entries import Example
from imagist.datasets.folds import Fold, grouped
from imagist.datasets.groups import accounts, joined
from imagist.datasets.labels import read_all
from imagist.datasets.near_duplicates import close_pairs, clusters
from imagist.errors import DataError, UsageError
from imagist.images.encoder import Encoder, Encoders
from imagist.pipeline import Pipeline
from imagist.protocols import Captioner, Matcher
from imagist.training.fit.captions import open_fit_captioner
from imagist.training.fit.classifiers import encoder_for, names_matcher
from imagist.training.fit.examples import MIN_EXAMPLES, Advance, Examples, check_classes, concatenated, encode
from imagist.training.fit.measuring import Measured, measure
from imagist.training.fit.settings import FitSettings, FromNames, classifier_settings
from imagist.training.fit.system import System, check_sample_weights, fit_system

log = logging.getLogger("imagist.training")

TEST_SPLITS = ("test", "dev", "val", "validation")


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted model, with what is reported about it.

    Attributes:
        pipeline: The model.
        examples: What it was fitted to, as the first encoder reads them.
        measured: Its figures.
        test: The split that they are of; None means cross-validation.
        duplicates: Near-duplicates of test images that were left out of training.
        seconds: How long it took.
    """

    pipeline: Pipeline
    examples: Examples
    measured: Measured
    test: str | None
    duplicates: int
    seconds: float

    def card(self, settings: FitSettings) -> dict[str, Any]:
        """What the model's card says beside its name and parts."""
        names, numbers = np.unique(self.examples.targets, return_counts=True)
        counts = {self.examples.labels.names[name]: int(number) for name, number in zip(names, numbers, strict=True)}
        data = {"images": len(self.examples), "failed": len(self.examples.failed), "classes": counts}
        made = {"imagist": __version__, "seed": settings.seed, "folds": settings.folds}
        return {"fitted": made, "data": data, "measured": self.measured.as_table(self.test)}


def fit(
    settings: FitSettings,
    folder: Path,
    *,
    items: Sequence[Example] | None = None,
    cache: Path | None = None,
    advance: Advance = lambda count: None,
) -> FitResult:
    """Fits every part of a model and writes the model; one that is there is replaced.

    Args:
        settings: What to fit.
        folder: Of the model.
        items: Labelled images, where they are read already; None reads ``settings.sources``.
        cache: An SQLite file that keeps captions, so that a second fit writes none.
        advance: Called with the number of images done since the last call.

    Raises:
        DataError: Data that cannot be used; images, splits and classes at fault are named.
        UsageError: Settings that make no sense.
        MissingExtra: A library is not installed.
        OutputError: The folder cannot be written to.
    """
    started = time.monotonic()
    items = read_all(settings.sources, check_images=False) if items is None else items
    if not items:
        raise DataError("there are no images", item="sources", remedy="name a folder or a table of labelled images")
    text_settings = classifier_settings(settings.text_classifier, "text_classifier")
    image_settings = classifier_settings(settings.image_classifier, "image_classifier")
    _check_encoders(settings, [text_settings, image_settings])
    check_sample_weights([item.weight for item in items], text_settings, image_settings, settings.fusion)
    taxonomies = {taxonomy_key(name): open_taxonomy(name) for name in settings.taxonomies}
    with TemporaryDirectory() as scratch:
        captioner, encoder, matcher, seen = _encoded(
            settings, [text_settings, image_settings], items, Path(scratch), cache, advance
        )
        split = _test_split(seen[0].items, settings)
        parts = [_parts(examples, split, settings) for examples in seen]
        test = parts[0][1]
        train, duplicates = _without_duplicates(parts[0][0], test)
        from_names = isinstance(text_settings, FromNames) and isinstance(image_settings, FromNames)
        check_classes(train, 1 if from_names else MIN_EXAMPLES)
        every = concatenated([train, *(_without_duplicates(*part)[0] for part in parts[1:])])
        folds = _folds(every, settings, from_names)
        chosen: dict[str, Any] = {"weight": settings.weight, "seed": settings.seed}
        chosen |= {"encoder": encoder, "matcher": matcher}
        chosen["taxonomies"] = {name: resolved(taxonomy, train.labels) for name, taxonomy in taxonomies.items()}
        chosen["space"] = encoder.space if encoder and len(seen) > 1 else None
        system = fit_system(text_settings, image_settings, settings.fusion, every, folds, **chosen)
        measured = _measured(system, train, test)
        categories = identity(train.labels)
        pipeline = Pipeline(
            captioner, system.text_classifier, system.image_classifier, categories, system.fusion, system.calibration
        )
        result = FitResult(pipeline, train, measured, split, duplicates, time.monotonic() - started)
        pipeline.save(folder, settings.name or folder.name, settings.description, **result.card(settings))
        begun = {settings.captioner.model or "embedded", getattr(image_settings, "model", "embedded")}
        write_trained_on(folder, train.hashes, *map(trained_on, sorted(begun)))
        return result


def _check_encoders(settings: FitSettings, classifiers: Sequence[Any]) -> None:
    if len(settings.encoders) > 1 and any(isinstance(each, FromNames) for each in classifiers):
        problem, remedy = (
            "a classifier that starts from the names serves one encoder",
            "name one, and fit a model for each",
        )
        raise UsageError(problem, item="encoders", remedy=remedy)


def _encoded(
    settings: FitSettings,
    classifiers: Sequence[Any],
    items: Sequence[Example],
    scratch: Path,
    cache: Path | None,
    advance: Advance,
) -> tuple[Captioner, Encoder | None, Matcher | None, list[Examples]]:
    """The examples as each encoder of the fit reads them, with captioner, encoder and matcher of the first."""
    opened: list[tuple[Captioner, Encoder | None, Matcher | None]] = []
    seen = []
    learnt, _ = _splits(items, _test_split(items, settings), settings)
    own = [*compress(items, learnt)]
    for name in settings.encoders or (None,):
        encoders = Encoders()
        captioner = open_fit_captioner(settings.captioner, items, scratch, cache, encoders, name)
        encoder = encoder_for(classifiers[-1], encoders, name)
        matcher = names_matcher(classifiers, own, encoders, name)
        concurrency = cores() if captioner.concurrent and (matcher is None or matcher.concurrent) else 1
        seen.append(encode(items, captioner, encoder, matcher, concurrency=concurrency, advance=advance))
        opened.append((captioner, encoder, matcher))
    return *opened[0], seen


def _measured(system: System, train: Examples, test: Examples | None) -> Measured:
    """The figures of the test split, or of cross-validation where there is none."""
    if test is not None:
        return measure(*system.scores(test), test.targets, test.labels)
    if system.held_out is None:
        raise UsageError("feature fusion needs a test split", item="fusion", remedy="give one, or choose another")
    image, text, fused = (scores[: len(train)] for scores in system.held_out)  # further encoders follow
    return measure(image, text, fused, train.targets, train.labels)


def _test_split(items: Sequence[Example], settings: FitSettings) -> str | None:
    """The split that the model is measured on; None without splits.

    Raises:
        DataError: The split asked for is not there.
    """
    there = sorted({item.split for item in items if item.split})
    train = _called(settings.train, there)
    if settings.test is not None:
        if found := _called(settings.test, there):
            return found
        named = ", ".join(there) or "no splits"
        raise DataError(f"there is no split {settings.test!r}", item="test", remedy=f"the data have {named}")
    likely = (_called(split, there) for split in TEST_SPLITS)
    return next((split for split in likely if split and split != train), None)


def _called(name: str, splits: Sequence[str]) -> str | None:
    """The split of a name, in any case where none is spelled like that; None where there is none."""
    return name if name in splits else next((split for split in splits if split.lower() == name.lower()), None)


def _splits(items: Sequence[Example], test: str | None, settings: FitSettings) -> tuple[Bools, Bools]:
    """Which of N images are learnt from, and which are measured on: ``[N]`` each."""
    splits = np.array([item.split or "" for item in items])
    held_out = np.zeros(len(splits), bool) if test is None else splits == test
    train = _called(settings.train, sorted({*splits}))
    return splits == train if train else ~held_out, held_out


def _parts(examples: Examples, test: str | None, settings: FitSettings) -> tuple[Examples, Examples | None]:
    """The examples to learn from, and those to measure on.

    Raises:
        DataError: There is a test split and no split to learn from, or a class that is only tested.
    """
    train, held_out = _splits(examples.items, test, settings)
    if test is None:
        return examples.chosen(np.flatnonzero(train)), None
    if not train.any():
        raise DataError(f"every image is of split {test!r}", item="train", remedy="name another split to measure on")
    unseen = sorted({examples.labels.names[i] for i in set(examples.targets[held_out]) - set(examples.targets[train])})
    if unseen:
        raise DataError(
            f"labels of split {test!r} that no training image has: {', '.join(unseen)}",
            item="labels",
            remedy=f"give training images of them, or take them out of split {test!r}",
        )
    return examples.chosen(np.flatnonzero(train)), examples.chosen(np.flatnonzero(held_out))


def _without_duplicates(train: Examples, test: Examples | None) -> tuple[Examples, int]:
    """The training examples that have no near-duplicate among the test examples, and how many were left out."""
    if test is None:
        return train, 0
    similar = {i for i, _, _ in close_pairs(train.hashes, test.hashes)}
    if similar:
        log.info("%d near-duplicates of test images are left out of training", len(similar))
    return train.chosen(np.array([i for i in range(len(train)) if i not in similar], np.int64)), len(similar)


def _folds(examples: Examples, settings: FitSettings, from_names: bool) -> list[Fold]:
    """Stratified folds that separate neither accounts nor near-duplicates."""
    groups = joined(accounts(examples.items), clusters(examples.items, known=examples.hashes))
    fewest = int(np.bincount(examples.targets).min())
    number = min(settings.folds, len(np.unique(groups)), *([] if from_names else [fewest]))
    names = examples.labels.names
    return grouped(examples.targets, groups, max(2, number), settings.seed, names=names, untrained=from_names)
