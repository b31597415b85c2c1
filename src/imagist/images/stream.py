"""Images in, outcomes out: loads, batches, works on several batches at a time, and lets no image take others down.

Each lane is a thread that runs one batch from end to end on one core, which keeps every core busy without the waiting
of threads within an operator: decoding, numpy and ONNX Runtime all let go of the interpreter's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from imagist.errors import ImagistError, ItemError, ModelFailed, UsageError
from imagist.images import DecodeLimits
from imagist.images.loader import AnyItem, load
from imagist.records import Failure, Photo

T = TypeVar("T")
Work = Callable[[Sequence[Photo]], Sequence[T]]


@dataclass(frozen=True, eq=False)
class Outcome(Generic[AnyItem, T]):
    """What became of one image.

    Attributes:
        source: The input, as it was given.
        photo: The decoded image; None where it could not be decoded.
        result: What the work returned for the photo, or why there is nothing.
    """

    source: AnyItem
    photo: Photo | None
    result: T | Failure


def run(
    images: Iterable[AnyItem],
    work: Work[T],
    *,
    batch_size: int = 32,
    workers: int = 2,
    concurrency: int = 1,
    limits: DecodeLimits | None = None,
) -> Iterator[list[Outcome[AnyItem, T]]]:
    """Decodes images in the background and works through them batch by batch.

    Args:
        images: The inputs; read no further ahead than a few batches.
        work: N photos to N results, in order; called from several threads where there are several lanes.
        batch_size: Most images in a batch, >= 1.
        workers: Decoding threads, >= 1.
        concurrency: Batches worked on at a time, >= 1.
        limits: Bounds on bytes and megapixels.

    Yields:
        One list a batch; over all of them, one outcome for each image, in order.

    Raises:
        UsageError: A setting below 1.
        ImagistError: The work cannot be done at all (anything but an `ItemError`).
    """
    for name, value in (("batch_size", batch_size), ("workers", workers), ("concurrency", concurrency)):
        if value < 1:
            raise UsageError(f"must be at least 1, not {value}", item=name)
    loaded = load(images, limits=limits or DecodeLimits(), workers=workers, ahead=2 * batch_size)
    pending: deque[Future[list[Outcome[AnyItem, T]]]] = deque()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="imagist-lane")
    try:
        while batch := list(islice(loaded, batch_size)):
            pending.append(pool.submit(_outcomes, work, batch))
            while pending and (len(pending) > concurrency or pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        loaded.close()


def _outcomes(work: Work[T], batch: list[tuple[AnyItem, Photo | Failure]]) -> list[Outcome[AnyItem, T]]:
    results = iter(_attempt(work, [photo for _, photo in batch if isinstance(photo, Photo)]))
    return [
        Outcome(source, item, next(results)) if isinstance(item, Photo) else Outcome(source, None, item)
        for source, item in batch
    ]


def _attempt(work: Work[T], photos: list[Photo]) -> list[T | Failure]:
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
