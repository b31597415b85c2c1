"""Images that are trained on and, almost the same, tested on.

Shapes: N examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagist.arrays import Ints
from imagist.datasets.captions.duplicates import BITS, check_distance, close_pairs, hash_images
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.record import Record
from imagist.datasets.labels.example import Example
from imagist.datasets.labels.folds import Fold
from imagist.datasets.labels.grouping import linked, numbered
from imagist.errors import UsageError

Hashes = NDArray[np.uint64]
DISTANCE = 6  # of 64 bits; see captioned.near_duplicates for what it finds
_CHUNK = 1024


@dataclass(frozen=True, order=True)
class Leak:
    """Two images that look the same, one trained on and one tested on.

    Attributes:
        bits: How many of 64 bits of their hashes differ.
        fold: Which fold, from 0.
        train: The name of the one.
        test: The name of the other.
    """

    bits: int
    fold: int
    train: str
    test: str


def hashes(examples: Sequence[Example], *, workers: int = 2) -> Hashes:
    """The perceptual hash of each image, uint64 ``[N]``, to be computed once and given to what asks for it.

    Raises:
        DataError: Images that cannot be read or decoded, all of them at once.
    """
    faults = Faults()
    found = hash_images([Record(each.image, (), content=each.content) for each in examples], faults, workers)
    faults.raise_any(remedy="leave them out, or put whole files in their place")
    return found


def clusters(examples: Sequence[Example], *, distance: int = DISTANCE, known: Hashes | None = None) -> Ints:
    """A group for each image and all that are joined to it by near-duplicates, int64 ``[N]``, for ``grouped`` folds.

    Args:
        examples: N examples.
        distance: How many of 64 bits may differ between neighbours, 0 to 64.
        known: Their ``hashes``; computed where it is None.

    Raises:
        DataError: As ``hashes``.
        UsageError: A distance outside 0 to 64, or hashes of other examples.
    """
    distinct, places = np.unique(_known(examples, known), return_inverse=True)
    groups = linked(len(distinct), ((i, j) for i, j, _ in _pairs(distinct, distance)))
    return numbered(groups[places].tolist())


def leaks(
    examples: Sequence[Example], folds: Sequence[Fold], *, distance: int = DISTANCE, known: Hashes | None = None
) -> list[Leak]:
    """Near-duplicates that a fold trains on and tests on, most alike first.

    Args:
        examples: N examples.
        folds: Of these.
        distance: How many of 64 bits may differ, 0 to 64.
        known: The examples' ``hashes``; computed where it is None.

    Raises:
        DataError: As ``hashes``.
        UsageError: A distance outside 0 to 64, or hashes of other examples.
    """
    pairs = [*_pairs(_known(examples, known), distance)]
    found = []
    for number, fold in enumerate(folds):
        trained, tested = (np.isin(np.arange(len(examples)), part) for part in (fold.train, fold.test))
        for a, b, bits in pairs:
            for i, j in ((a, b), (b, a)):
                if trained[i] and tested[j]:
                    found.append(Leak(bits, number, examples[i].image, examples[j].image))
    return sorted(found)


def refuse_leaks(found: Sequence[Leak]) -> None:
    """Raises for leaks, naming each pair once with the folds it leaks in.

    Raises:
        DataError: The first 20 pairs, most alike first, and the count of the rest.
    """
    folds: dict[tuple[int, str, str], list[int]] = {}
    for leak in sorted(found):
        a, b = sorted((leak.train, leak.test))
        folds.setdefault((leak.bits, a, b), []).append(leak.fold)
    faults = Faults()
    for (bits, a, b), where in folds.items():
        told = f"fold{'s' if len(where) > 1 else ''} {', '.join(map(str, where))}"
        faults.add("near-duplicates trained and tested on", f"{a} and {b}: {bits} of {BITS} bits differ, {told}")
    faults.raise_any(
        remedy="leave one of each out, or fold by clusters; --allow-leakage goes on and says so in the report"
    )


def _known(examples: Sequence[Example], known: Hashes | None) -> Hashes:
    if known is not None and len(known) != len(examples):
        raise UsageError(f"{len(known)} hashes for {len(examples)} examples", item="known")
    return hashes(examples) if known is None else known


def _pairs(values: Hashes, distance: int) -> Iterator[tuple[int, int, int]]:
    """``(i, j, bits)`` with i < j of hashes that differ by few bits."""
    check_distance(distance)
    for start in range(0, len(values), _CHUNK):  # bounds the memory of a product to 1024 x N
        for i, j, bits in close_pairs(values[start : start + _CHUNK], values[start:], distance):
            if i < j:
                yield start + i, start + j, bits
