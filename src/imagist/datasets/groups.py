"""Groups of examples that folds must not tear apart.

Shapes: N examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from imagist.arrays import Ints
from imagist.datasets.entries import Example


def accounts(examples: Sequence[Example]) -> Ints:
    """A group for each account, int64 ``[N]``; an example without one is a group of its own."""
    names: list[object] = [i if each.account is None else each.account for i, each in enumerate(examples)]
    return numbered(names)


def joined(first: ArrayLike, *others: ArrayLike) -> Ints:
    """Groups that hold together what any of some groupings, each ``[N]``, holds together; int64 ``[N]``.

    Such as the posts of an account with the near-duplicates of any of them and the posts of their accounts.
    """
    pairs = []
    for groups in (first, *others):
        first_of: dict[object, int] = {}
        pairs += [(first_of.setdefault(group, i), i) for i, group in enumerate(np.asarray(groups).tolist())]
    return linked(len(np.asarray(first)), pairs)


def linked(count: int, pairs: Iterable[tuple[int, int]]) -> Ints:
    """The group of each of N items where pairs are of one group, int64 ``[N]``, numbered by their first members.

    Source: Tarjan 1975, "Efficiency of a good but not linear set union algorithm" (with paths halved).
    """
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return numbered([root(i) for i in range(count)])


def numbered(names: Sequence[object]) -> Ints:
    """Numbers for names, from 0 in the order of their first places, int64 ``[N]``."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
