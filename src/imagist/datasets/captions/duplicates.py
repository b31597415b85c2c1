"""Images that are almost the same, such as copies of another size or quality, by a 64-bit perceptual hash.

Shapes: N, M images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagist.arrays import Array, Pixels
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.record import Record
from imagist.errors import UsageError
from imagist.images import DecodeLimits, load
from imagist.records import Failure, Photo, Row

_SIDE = 32
_KEPT = 8
BITS = _KEPT * _KEPT
_LIMITS = DecodeLimits(work_side=4 * _SIDE)
_CHUNK = 4096
# The first rows of the discrete cosine transform (type II), float64 [8, 32].
_COSINES = np.cos(np.pi / _SIDE * np.outer(np.arange(_KEPT), np.arange(_SIDE) + 0.5))


def near_duplicates(
    records_a: Sequence[Record], records_b: Sequence[Record], *, distance: int = 6, workers: int = 2
) -> list[tuple[str, str]]:
    """Pairs of images, one of each set, that look the same.

    Found are copies of another size, shape, JPEG quality or brightness and those without colour; not mirror images, nor
    crops of more than a few per cent. Of Flickr8k's dev images 6 bits find every copy at JPEG quality 20, half size,
    stretched and in grey, 98% of those a quarter brighter, and 93% of those cropped by 2% a side. Between its train and
    dev they find nothing; unrelated images begin to meet at 8 bits (``tests/captioned/test_near_duplicates.py``).

    Args:
        records_a: N records.
        records_b: M records.
        distance: How many of 64 bits may differ, 0 to 64.
        workers: Threads that decode.

    Returns:
        The names ``(of a, of b)``, most alike first, then in the order of the records.

    Raises:
        DataError: Images that cannot be read or decoded, all of them at once.
        UsageError: A distance outside 0 to 64.
    """
    check_distance(distance)
    faults = Faults()
    a, b = (hash_images(records, faults, workers) for records in (records_a, records_b))
    faults.raise_any(remedy="leave them out, or put whole files in their place")
    pairs = sorted((bits, i, j) for i, j, bits in close_pairs(a, b, distance))
    return [(records_a[i].image, records_b[j].image) for _, i, j in pairs]


def check_distance(distance: int) -> None:
    """Refuses a number of bits that hashes cannot differ by.

    Raises:
        UsageError: It is outside 0 to 64.
    """
    if not 0 <= distance <= BITS:
        raise UsageError(f"a distance of {distance} bits", item="distance", remedy=f"0 to {BITS}")


def perceptual_hash(pixels: Pixels) -> int:
    """The 64-bit hash of an image: which of its 8 x 8 lowest frequencies exceed their median.

    Source: Zauner 2010, "Implementation and benchmarking of perceptual image hash functions" (the DCT hash).

    Args:
        pixels: uint8 ``[H, W, 3]``.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    frequencies = (_COSINES @ np.asarray(grey, np.float64) @ _COSINES.T).ravel().round(3)  # plain grey has no noise
    return int.from_bytes(np.packbits(frequencies > np.median(frequencies)).tobytes(), "big")


def hash_images(records: Sequence[Record], faults: Faults, workers: int) -> NDArray[np.uint64]:
    """The perceptual hash of each image, uint64 ``[N]``; 0 where one is at fault."""
    rows = [Row(record.image, record.content) for record in records]
    found = np.zeros(len(rows), np.uint64)
    for i, (_, photo) in enumerate(load(rows, limits=_LIMITS, workers=workers)):
        match photo:
            case Photo():
                found[i] = perceptual_hash(photo.pixels)
            case Failure():
                faults.add("unreadable image", str(photo.error))
    return found


def close_pairs(a: NDArray[np.uint64], b: NDArray[np.uint64], distance: int) -> Iterator[tuple[int, int, int]]:
    """``(i, j, bits)`` of hashes ``[N]`` and ``[M]`` that differ by no more bits than ``distance``.

    Signs instead of bits make of N x M comparisons one product of matrices: it is 64 less twice the bits that differ.
    """
    signs_b = _signs(b).T
    for start in range(0, len(a), _CHUNK):
        bits = (BITS - _signs(a[start : start + _CHUNK]) @ signs_b) / 2
        for i, j in np.argwhere(bits <= distance):
            yield start + int(i), int(j), int(bits[i, j])


def _signs(hashes: NDArray[np.uint64]) -> Array:
    """float32 ``[N, 64]``, -1 or 1."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    return bits.astype(np.float32) * 2 - 1
