"""Which examples are trained on and which are tested on.

Shapes: N examples; C classes; G groups; k folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from imagist.arrays import Ints
from imagist.datasets.entries import Example
from imagist.errors import DataError, UsageError

INNER = "inner fold (of the images that a fold trains on)"


@dataclass(frozen=True, eq=False)
class Fold:
    """One part to train on and one to test on, which share nothing.

    Attributes:
        train: Places of examples, int64, ascending.
        test: The same.
    """

    train: Ints
    test: Ints


def fixed(examples: Sequence[Example], *, train: str = "train", test: str = "test") -> Fold:
    """The splits that the data comes with.

    Args:
        examples: N examples.
        train: The name of a split, or several as ``train+dev``.
        test: The same.

    Raises:
        UsageError: A split to train and to test on.
        DataError: No example of a split, or labels that are tested but not trained.
    """
    wanted = [name.split("+") for name in (train, test)]
    if both := {*wanted[0]} & {*wanted[1]}:
        raise UsageError(f"split {', '.join(sorted(both))} cannot be both trained and tested on")
    there = {example.split for example in examples}
    if missing := [name for names in wanted for name in names if name not in there]:
        splits = ", ".join(sorted(each for each in there if each is not None)) or "none"
        raise DataError(f"no example of split {', '.join(missing)}", remedy=f"one of the splits there are: {splits}")
    places = [np.array([i for i, e in enumerate(examples) if e.split in names], np.int64) for names in wanted]
    return _checked([Fold(*places)], *_codes([example.label for example in examples]))[0]


def stratified(labels: ArrayLike, k: int, seed: int) -> list[Fold]:
    """Deals examples out to k folds; their test parts have equally many examples, of each class and in all, within one.

    Args:
        labels: ``[N]``, names or numbers.
        k: >= 2.
        seed: >= 0; the same gives the same folds.

    Raises:
        UsageError: Fewer than two folds, or more than examples.
        DataError: Classes of one example, which cannot be both trained and tested.
    """
    codes, names = _codes(labels)
    _check_k(k, len(codes), "examples")
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    part = np.empty(len(codes), np.int64)
    part[order] = np.arange(len(codes)) % k  # dealt out like cards, one class after the other
    return _checked(_folds(part, k), codes, names)


def grouped(
    labels: ArrayLike,
    groups: ArrayLike,
    k: int,
    seed: int,
    *,
    names: Sequence[str] | None = None,
    what: str = "fold",
    untrained: bool = False,
) -> list[Fold]:
    """Deals groups out to k folds that tear none apart, with classes as even as that allows.

    The weightiest group comes first, each to the fold where it adds least to the squared shares of its classes, which
    evens them out; among equals to the smallest fold. Where all groups are of one example, the test parts hold the same
    number of every class to within one.

    Args:
        labels: ``[N]``, names or numbers.
        groups: ``[N]``, a value for each group: ``accounts``, ``clusters`` or both ``joined``.
        k: >= 2.
        seed: >= 0; the same gives the same folds.
        names: Of labels that are numbers from 0, for errors; the labels themselves where it is None.
        what: What errors call a fold.
        untrained: Whether a fold may test a class that it does not train on.

    Raises:
        UsageError: Fewer than two folds, or more than groups.
        DataError: Classes whose examples all came into one fold, so that they cannot be both trained and tested.
    """
    codes, own = _codes(labels, names)
    members, found = _codes(groups)
    if len(members) != len(codes):
        raise UsageError(f"{len(members)} groups for {len(codes)} labels", item="groups")
    _check_k(k, len(found), "groups")
    counts = np.zeros((len(found), len(own)))
    np.add.at(counts, (members, codes), 1)
    weights = 1 / counts.sum(axis=0) ** 2
    order = np.random.default_rng(seed).permutation(len(found))
    order = order[np.argsort(-(counts[order] ** 2 @ weights).round(12), kind="stable")]
    dealt = np.zeros((k, len(own)))
    fold_of = np.empty(len(found), np.int64)
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        sizes = dealt.sum(axis=1)
        must = (sizes == 0) if (sizes == 0).sum() >= left else np.ones(k, bool)  # no fold stays empty
        added = np.where(must, (dealt @ (weights * counts[group])).round(12), np.inf)
        fold_of[group] = np.lexsort((sizes, added))[0]
        dealt[fold_of[group]] += counts[group]
    folds = _folds(fold_of[members], k)
    return folds if untrained else _checked(folds, codes, own, what)


def inner(
    fold: Fold,
    labels: ArrayLike,
    k: int,
    seed: int,
    *,
    groups: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> list[Fold]:
    """Folds what a fold trains on once more, for whatever is chosen before the test part is looked at, such as w.

    Args:
        fold: The outer one.
        labels: ``[N]``, of all examples.
        k: >= 2; where one inner split is enough, take the first fold.
        seed: >= 0.
        groups: ``[N]``, of all examples, where inner folds must tear none apart.
        names: As ``grouped``.

    Returns:
        k folds over the same N examples, none of the outer test part.

    Raises:
        UsageError: As ``grouped``.
        DataError: As ``grouped``.
    """
    of_train = np.asarray(labels)[fold.train]
    if groups is None:
        folds = stratified(of_train, k, seed)
    else:
        folds = grouped(of_train, np.asarray(groups)[fold.train], k, seed, names=names, what=INNER)
    return [Fold(fold.train[each.train], fold.train[each.test]) for each in folds]


def _codes(labels: ArrayLike, names: Sequence[str] | None = None) -> tuple[Ints, list[str]]:
    """Places of labels among the distinct ones, and the names of those."""
    distinct, codes = np.unique(np.asarray(labels), return_inverse=True)
    return codes.astype(np.int64), [str(label) if names is None else names[label] for label in distinct]


def _check_k(k: int, count: int, what: str) -> None:
    if not 2 <= k <= count:
        raise UsageError(f"{k} folds of {count} {what}", item="k", remedy=f"2 folds or more, and as many {what}")


def _folds(part: Ints, k: int) -> list[Fold]:
    return [Fold(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(k)]


def _checked(folds: list[Fold], codes: Ints, names: Sequence[str], what: str = "fold") -> list[Fold]:
    untrained = sorted({i for fold in folds for i in np.setdiff1d(codes[fold.test], codes[fold.train])})
    if untrained:
        counts = np.bincount(codes)
        classes = ", ".join(f"{names[i]} ({counts[i]:,} example{'' if counts[i] == 1 else 's'})" for i in untrained)
        raise DataError(
            f"some {what} tests {classes} and has none to train on",
            remedy="add examples (of other groups), leave these classes out, or take another seed",
        )
    return folds
