"""Images that are almost the same, such as copies of another size or quality, by a 64-bit perceptual hash.

The hash finds copies of another size, shape, JPEG quality or brightness and those without colour; not mirror images,
nor crops of more than a few per cent. Of Flickr8k's dev images 6 bits find every copy at JPEG quality 20, half size,
stretched and in grey, 98% of those a quarter brighter, and 93% of those cropped by 2% a side. Between its train and dev
they find nothing; unrelated images begin to meet at 8 bits (``tests/datasets/test_near_duplicates.py``).

Shapes: N, M images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagist.arrays import Array, Ints, Pixels
from imagist.datasets.entries import Example
from imagist.datasets.faults import Faults
from imagist.datasets.folds import Fold
from imagist.datasets.groups import linked, numbered
from imagist.errors import UsageError
from imagist.images import DecodeLimits, load
from imagist.images.photo import ImageSource
from imagist.records import Failure, Photo, Row

Hashes = NDArray[np.uint64]

DISTANCE = 6  # of 64 bits
_SIDE = 32
_KEPT = 8
BITS = _KEPT * _KEPT
_LIMITS = DecodeLimits(work_side=4 * _SIDE)
_CHUNK = 1024  # bounds the memory of a product of signs to 1024 x M
# The first rows of the discrete cosine transform (type II), float64 [8, 32].
_COSINES = np.cos(np.pi / _SIDE * np.outer(np.arange(_KEPT), np.arange(_SIDE) + 0.5))


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


def perceptual_hash(pixels: Pixels) -> int:
    """The 64-bit hash of an image: which of its 8 x 8 lowest frequencies exceed their median.

    Source: Zauner 2010, "Implementation and benchmarking of perceptual image hash functions" (the DCT hash).

    Args:
        pixels: uint8 ``[H, W, 3]``.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    frequencies = (_COSINES @ np.asarray(grey, np.float64) @ _COSINES.T).ravel().round(3)  # plain grey has no noise
    return int.from_bytes(np.packbits(frequencies > np.median(frequencies)).tobytes(), "big")


def hashes(images: Sequence[ImageSource], *, workers: int = 2) -> Hashes:
    """The perceptual hash of each image, uint64 ``[N]``, to be computed once and passed to what needs it.

    Args:
        images: N records or examples.
        workers: Threads that decode.

    Raises:
        DataError: Images that cannot be read or decoded, all of them at once.
    """
    faults = Faults()
    rows = [Row(each.image, each.content) for each in images]
    found = np.zeros(len(rows), np.uint64)
    for i, (_, photo) in enumerate(load(rows, limits=_LIMITS, workers=workers)):
        match photo:
            case Photo():
                found[i] = perceptual_hash(photo.pixels)
            case Failure():
                faults.add("unreadable image", str(photo.error))
    faults.raise_any(remedy="leave them out, or put whole files in their place")
    return found


def close_pairs(a: Hashes, b: Hashes, distance: int = DISTANCE) -> Iterator[tuple[int, int, int]]:
    """``(i, j, bits)`` of hashes ``[N]`` and ``[M]`` that differ by no more bits than ``distance``.

    Signs instead of bits make of N x M comparisons one product of matrices: it is 64 less twice the bits that differ.

    Raises:
        UsageError: A distance outside 0 to 64.
    """
    _check_distance(distance)
    signs_b = _signs(b).T
    for start in range(0, len(a), _CHUNK):
        bits = (BITS - _signs(a[start : start + _CHUNK]) @ signs_b) / 2
        for i, j in np.argwhere(bits <= distance):
            yield start + int(i), int(j), int(bits[i, j])


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
        numbers = f"fold{'s' if len(where) > 1 else ''} {', '.join(map(str, where))}"
        faults.add("near-duplicates trained and tested on", f"{a} and {b}: {bits} of {BITS} bits differ, {numbers}")
    faults.raise_any(
        remedy="leave one of each out, or fold by clusters; --allow-leakage goes on and notes it in the report"
    )


def _known(examples: Sequence[Example], known: Hashes | None) -> Hashes:
    if known is not None and len(known) != len(examples):
        raise UsageError(f"{len(known)} hashes for {len(examples)} examples", item="known")
    return hashes(examples) if known is None else known


def _pairs(values: Hashes, distance: int) -> Iterator[tuple[int, int, int]]:
    """``(i, j, bits)`` with i < j of hashes that differ by few bits."""
    _check_distance(distance)
    for start in range(0, len(values), _CHUNK):
        for i, j, bits in close_pairs(values[start : start + _CHUNK], values[start:], distance):
            if i < j:
                yield start + i, start + j, bits


def _check_distance(distance: int) -> None:
    if not 0 <= distance <= BITS:
        raise UsageError(f"a distance of {distance} bits", item="distance", remedy=f"0 to {BITS}")


def _signs(values: Hashes) -> Array:
    """float32 ``[N, 64]``, -1 or 1."""
    bits = np.unpackbits(values.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    return bits.astype(np.float32) * 2 - 1
