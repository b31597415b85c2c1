"""The examples of a study and the trials that they are cut into.

Shapes: N examples, of which a trial trains on some, holds H of these out in turn, is judged on M others and leaves U
over.
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
from imagist.datasets import labels as classified
from imagist.datasets.captions.faults import Faults
from imagist.datasets.labels import Example, Fold, Leak
from imagist.errors import DataError, UsageError
from imagist.images.photo import photo_of
from imagist.records import LabelSet, Photo
from imagist.study.config import Data, Folds
from imagist.study.fetching import with_fetched
from imagist.study.store import Store, key_of


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Attributes:
        examples: N of them.
        labels: C categories.
        targets: int64 ``[N]``.
        groups: int64 ``[N]``: near-duplicates, and posts of one account where folds are by account, are of one group.
        hashes: Perceptual, uint64 ``[N]``.
        digest: Names the images' bytes, in order.
    """

    examples: tuple[Example, ...]
    labels: LabelSet
    targets: Ints
    groups: Ints
    hashes: classified.leakage.Hashes
    digest: str

    def photos(self, rows: Sequence[int] | Ints) -> list[Photo]:
        """The decoded images of some rows.

        Raises:
            ItemError: One of them cannot be decoded.
        """
        return [photo_of(self.examples[i]) for i in rows]


@dataclass(frozen=True, eq=False)
class Trial:
    """One fold under one seed.

    Attributes:
        seed: Of the folds and of all training.
        number: Of the fold, from 0.
        fold: What is trained on, and what judges.
        inner: What each fit learns from, and what is held out of it.
        spare: The U rows that shots leave over: their labels are not looked at, their images may teach.
    """

    seed: int
    number: int
    fold: Fold
    inner: tuple[Fold, ...]
    spare: Ints

    @property
    def asked(self) -> Ints:
        """The M rows that judge, then the spare ones."""
        return np.concatenate([self.fold.test, self.spare])

    @property
    def held(self) -> Ints:
        """The H held-out rows, in the order of the fits."""
        return np.concatenate([each.test for each in self.inner])


def assemble(config: Data, folder: Path, store: Store, folds: Folds) -> Dataset:
    """Reads, chooses and groups the examples.

    Args:
        config: Which.
        folder: Where relative paths are looked for.
        store: Of what was fetched and computed.
        folds: What the examples are for: where they are ``grouped``, posts of one account are of one group.

    Raises:
        DataError: Faults of the files, all of them at once; examples without a split where splits are ``fixed``; or
            nothing is left.
        UsageError: An unknown taxonomy.
    """
    sources = [replace(s, path=folder / s.path, images=None if s.images is None else folder / s.images,
                       names=None if s.names is None else folder / s.names) for s in config.sources]  # fmt: skip
    found = classified.read_all(sources)
    if config.splits:
        found = [each for each in found if each.split in config.splits]
    if folds.kind == "fixed":
        _refuse_unsplit(found)
    taxonomy = None if config.taxonomy is None else open_taxonomy(config.taxonomy, folder)
    chosen = _first(classified.choose(found, taxonomy=taxonomy), config.first, folds)
    if not chosen:
        raise DataError("no example is left", item="data", remedy="look at data.splits and data.taxonomy")
    labels, examples = classified.label_set(chosen, taxonomy), with_fetched(chosen, store)
    digest = _digest(examples)
    known = store.of(key_of("duplicates", digest), lambda: _duplicates(examples))
    groups = known["groups"]
    if folds.kind == "grouped":
        groups = classified.joined(groups, classified.accounts(examples))
    return Dataset(tuple(examples), labels, classified.targets(examples, labels), groups, known["hashes"], digest)


def _first(examples: Sequence[Example], number: int, folds: Folds) -> list[Example]:
    """The first of each category among those that may be trained on, and all that only judge; 0 takes all."""
    judging = {*folds.test.split("+")} if folds.kind == "fixed" else set()
    seen: Counter[str] = Counter()
    kept = []
    for each in examples:
        seen[each.label] += each.split not in judging
        if each.split in judging or not number or seen[each.label] <= number:
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
    """Names the bytes of images, in order."""
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
    hashes = classified.hashes(examples)
    return {"hashes": hashes, "groups": classified.clusters(examples, known=hashes)}


def trials(folds: Folds, data: Dataset) -> Iterator[Trial]:
    """A trial for each fold and seed.

    Raises:
        DataError: A class that some fold has nothing to train on.
        UsageError: More fits than inner folds.
    """
    if folds.fits > folds.inner:
        raise UsageError(f"{folds.fits} fits of {folds.inner} inner folds", item="folds.fits")
    for seed in folds.seeds:
        for number, whole in enumerate(_outer(folds, data, seed)):
            fold = _few(whole, data.targets, folds.shots, (seed, number)) if folds.shots else whole
            inner = classified.inner(fold, data.targets, folds.inner, seed, groups=data.groups)
            spare = np.setdiff1d(whole.train, fold.train)
            yield Trial(seed, number, fold, tuple(inner[: folds.fits]), spare)


def leaks(folds: Folds, data: Dataset) -> list[Leak]:
    """Near-duplicates that are trained on and judged; folds that are made here have none."""
    if folds.kind != "fixed":
        return []
    return classified.leaks(data.examples, _outer(folds, data, 0), known=data.hashes)


def _outer(folds: Folds, data: Dataset, seed: int) -> list[Fold]:
    if folds.kind == "fixed":
        others = sorted({str(each.split) for each in data.examples} - {*folds.test.split("+")})
        fold = classified.fixed(data.examples, train="+".join(others), test=folds.test)
        return [replace(fold, train=_unlike(fold, data)) if folds.drop_leaks else fold]
    return classified.grouped(data.targets, data.groups, folds.number, seed)


def _few(fold: Fold, targets: Ints, shots: int, seed: tuple[int, int]) -> Fold:
    """Few examples of each category to train on, or all where there are no more."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(fold.train)
    kept = [shuffled[targets[shuffled] == of][:shots] for of in np.unique(targets[fold.train])]
    return replace(fold, train=np.sort(np.concatenate(kept)))


def _unlike(fold: Fold, data: Dataset) -> Ints:
    """The examples to train on that have no near-duplicate among those that judge."""
    alike = {leak.train for leak in classified.leaks(data.examples, [fold], known=data.hashes)}
    return np.array([i for i in fold.train if data.examples[i].image not in alike], dtype=np.int64)
