"""The examples of a study and its trials.

Shapes: N examples. A trial has training rows, V of which serve as validation rows in turn, M test rows, and, where few
shots are drawn, U unlabelled rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imagist.arrays import Ints
from imagist.classifiers.taxonomy import open_taxonomy
from imagist.datasets import folds as splitting
from imagist.datasets import near_duplicates
from imagist.datasets.entries import Example
from imagist.datasets.faults import Faults
from imagist.datasets.folds import Fold
from imagist.datasets.groups import accounts, joined
from imagist.datasets.labels import read_all
from imagist.datasets.near_duplicates import Leak
from imagist.datasets.targets import label_set, map_labels, targets
from imagist.errors import DataError, UsageError
from imagist.images.photo import photo_of
from imagist.records import LabelSet, Photo
from imagist.study.config import Data, Folds
from imagist.study.fetching import download_images
from imagist.study.store import Store, key_of


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Attributes:
        examples: N of them.
        labels: C categories.
        targets: int64 ``[N]``, the number of each example's category.
        groups: int64 ``[N]``: near-duplicates share a group; where folds are ``grouped``, so do posts of one account.
        hashes: Perceptual hashes, uint64 ``[N]``.
        digest: Identifies the bytes of all images, in order.
    """

    examples: tuple[Example, ...]
    labels: LabelSet
    targets: Ints
    groups: Ints
    hashes: near_duplicates.Hashes
    digest: str

    def photos(self, rows: Sequence[int] | Ints) -> list[Photo]:
        """Decodes the images of some rows.

        Raises:
            ItemError: One of them cannot be decoded.
        """
        return [photo_of(self.examples[i]) for i in rows]


@dataclass(frozen=True, eq=False)
class Trial:
    """One fold under one seed.

    Attributes:
        seed: Seeds the folds and all training.
        number: Number of the fold, from 0.
        fold: Training rows and test rows.
        inner: Training rows and validation rows of each fit.
        unlabelled: The U training rows that shots leave over: their labels are never read, their images may be used to
            train a student.
    """

    seed: int
    number: int
    fold: Fold
    inner: tuple[Fold, ...]
    unlabelled: Ints

    @property
    def test_and_unlabelled(self) -> Ints:
        """The M test rows, then the U unlabelled ones."""
        return np.concatenate([self.fold.test, self.unlabelled])

    @property
    def validation(self) -> Ints:
        """The V validation rows, in the order of the fits."""
        return np.concatenate([each.test for each in self.inner])


def assemble(config: Data, folder: Path, store: Store, folds: Folds) -> Dataset:
    """Reads, selects and groups the examples.

    Args:
        config: Sources and selection.
        folder: Relative paths are resolved against it.
        store: Keeps downloads and hashes.
        folds: Where they are ``grouped``, posts of one account are put into one group.

    Raises:
        DataError: Faults of the files, all of them at once; examples without a split where splits are ``fixed``; or
            no example is left.
        UsageError: An unknown taxonomy.
    """
    examples = read_all([source.within(folder) for source in config.sources])
    if config.splits:
        examples = [each for each in examples if each.split in config.splits]
    if folds.kind == "fixed":
        _refuse_unsplit(examples)
    taxonomy = None if config.taxonomy is None else open_taxonomy(config.taxonomy, folder)
    chosen = _first(map_labels(examples, taxonomy), config.first, folds)
    if not chosen:
        raise DataError("no example is left", item="data", remedy="look at data.splits and data.taxonomy")
    labels, examples = label_set(chosen, taxonomy), download_images(chosen, store)
    digest = _digest(examples)
    duplicates = store.of(key_of("duplicates", digest), lambda: _duplicates(examples))
    groups = duplicates["groups"]
    if folds.kind == "grouped":
        groups = joined(groups, accounts(examples))
    return Dataset(tuple(examples), labels, targets(examples, labels), groups, duplicates["hashes"], digest)


def _first(examples: Sequence[Example], number: int, folds: Folds) -> list[Example]:
    """The first N of each category among those that may be trained on, and all of the test split; 0 keeps all."""
    test = {*folds.test.split("+")} if folds.kind == "fixed" else set()
    count: Counter[str] = Counter()
    kept = []
    for each in examples:
        count[each.label] += each.split not in test
        if each.split in test or not number or count[each.label] <= number:
            kept.append(each)
    return kept


def _refuse_unsplit(examples: Sequence[Example]) -> None:
    faults = Faults()
    for each in examples:
        if each.split is None:
            faults.add("image without a split, where folds.kind is fixed", each.image)
    faults.raise_any(
        remedy='name the split of a whole source (split = "train"), or of each row in a column split; '
        'or let folds be made: folds.kind = "stratified"'
    )


def _digest(examples: Sequence[Example]) -> str:
    """Identifies the bytes of all images, in order."""
    digest, faults = hashlib.sha256(), Faults()
    for each in examples:
        try:
            content = Path(each.image).read_bytes() if each.content is None else each.content
        except OSError as error:
            faults.add("unreadable image", f"{each.image}: {error.strerror or error}")
        else:
            digest.update(hashlib.sha256(content).digest())
    faults.raise_any(remedy="leave them out, or put whole files in their place")
    return digest.hexdigest()[:20]


def _duplicates(examples: Sequence[Example]) -> dict[str, np.ndarray]:
    hashes = near_duplicates.hashes(examples)
    return {"hashes": hashes, "groups": near_duplicates.clusters(examples, known=hashes)}


def trials(folds: Folds, data: Dataset) -> Iterator[Trial]:
    """A trial for each fold and seed.

    Raises:
        DataError: Some fold has no training example of a category.
        UsageError: More fits than inner folds.
    """
    if folds.fits > folds.inner:
        raise UsageError(f"{folds.fits} fits of {folds.inner} inner folds", item="folds.fits")
    names = data.labels.names
    for seed in folds.seeds:
        for number, whole in enumerate(_outer(folds, data, seed)):
            fold = _few(whole, data.targets, folds.shots, (seed, number)) if folds.shots else whole
            inner = splitting.inner(fold, data.targets, folds.inner, seed, groups=data.groups, names=names)
            unlabelled = np.setdiff1d(whole.train, fold.train)
            yield Trial(seed, number, fold, tuple(inner[: folds.fits]), unlabelled)


def leaks(folds: Folds, data: Dataset) -> list[Leak]:
    """Near-duplicates of test images among training images, with ``fixed`` splits; other folds have none."""
    if folds.kind != "fixed":
        return []
    return near_duplicates.leaks(data.examples, _outer(folds, data, 0), known=data.hashes)


def _outer(folds: Folds, data: Dataset, seed: int) -> list[Fold]:
    if folds.kind == "fixed":
        others = sorted({str(each.split) for each in data.examples} - {*folds.test.split("+")})
        fold = splitting.fixed(data.examples, train="+".join(others), test=folds.test)
        return [replace(fold, train=_unlike(fold, data)) if folds.drop_leaks else fold]
    return splitting.grouped(data.targets, data.groups, folds.number, seed, names=data.labels.names)


def _few(fold: Fold, targets: Ints, shots: int, seed: tuple[int, int]) -> Fold:
    """The fold with at most so many training examples of each category."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(fold.train)
    kept = [shuffled[targets[shuffled] == of][:shots] for of in np.unique(targets[fold.train])]
    return replace(fold, train=np.sort(np.concatenate(kept)))


def _unlike(fold: Fold, data: Dataset) -> Ints:
    """The training rows that have no near-duplicate among the test rows."""
    alike = {leak.train for leak in near_duplicates.leaks(data.examples, [fold], known=data.hashes)}
    return np.array([i for i in fold.train if data.examples[i].image not in alike], dtype=np.int64)
