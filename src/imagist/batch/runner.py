"""Rows in, outcomes out: loads, batches, and lets no picture take its batch down with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from imagist.errors import ImagistError, ItemError, ModelFailed
from imagist.images import DecodeLimits
from imagist.images.loader import load
from imagist.records import Failure, Photo, Row

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Outcome(Generic[T]):
    """What became of one row.

    Attributes:
        row: The input, as its source gave it.
        photo: The decoded picture; None where it could not be decoded.
        result: What the work returned for the photo, or why there is nothing.
    """

    row: Row
    photo: Photo | None
    result: T | Failure


def run(
    rows: Iterable[Row],
    work: Callable[[Sequence[Photo]], Sequence[T]],
    *,
    batch_size: int = 32,
    workers: int = 2,
    limits: DecodeLimits | None = None,
) -> Iterator[list[Outcome[T]]]:
    """Decode rows in the background and work through them batch by batch.

    Args:
        rows: The inputs; read no further ahead than a few batches.
        work: N photos to N results, in order.
        batch_size: Most rows in a batch.
        workers: Decoding threads.
        limits: Bounds on bytes and megapixels.

    Yields:
        One list a batch; over all of them, one outcome for each row, in order.

    Raises:
        ImagistError: The work cannot be done at all (anything but an `ItemError`).
    """
    loaded = load(rows, limits=limits or DecodeLimits(), workers=workers, ahead=2 * batch_size)
    while batch := list(islice(loaded, batch_size)):
        results = iter(_attempt(work, [photo for _, photo in batch if isinstance(photo, Photo)]))
        yield [
            Outcome(row, item, next(results)) if isinstance(item, Photo) else Outcome(row, None, item)
            for row, item in batch
        ]


def _attempt(work: Callable[[Sequence[Photo]], Sequence[T]], photos: list[Photo]) -> list[T | Failure]:
    """Work through the photos together or, where that fails, one at a time, so that only the culprits are lost."""
    if not photos:
        return []
    try:
        results = list(work(photos))
        if len(results) != len(photos):
            raise RuntimeError(f"{len(results)} results for {len(photos)} photos")
    except Exception as error:
        if isinstance(error, ImagistError) and not isinstance(error, ItemError):
            raise
        if len(photos) == 1:
            return [Failure(photos[0].source, _typed(error, photos[0]))]
        return [result for photo in photos for result in _attempt(work, [photo])]
    return [*results]


def _typed(error: Exception, photo: Photo) -> ItemError:
    if isinstance(error, ItemError):
        return error
    return ModelFailed(f"the model raised {type(error).__name__}: {error}", item=photo.source)
