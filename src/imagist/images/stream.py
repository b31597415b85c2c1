"""Images in, outcomes out: loads, batches, runs several batches at the same time, and isolates failures.

Each of ``concurrency`` threads runs one batch from end to end on one core. This keeps every core busy and avoids the
synchronisation of threads within an operator: decoding, numpy and ONNX Runtime release the interpreter's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from imagist.arrays import one_thread
from imagist.errors import ImagistError, ItemError, ModelFailed, UsageError
from imagist.images import DecodeLimits
from imagist.images.loader import load
from imagist.images.photo import AnyItem
from imagist.records import Failure, Photo

T = TypeVar("T")
Work = Callable[[Sequence[Photo]], Sequence[T]]


@dataclass(frozen=True, eq=False)
class Outcome(Generic[AnyItem, T]):
    """The outcome of one image.

    Attributes:
        source: The input, as it was given.
        photo: The decoded image; None where it could not be decoded.
        result: The result of the work for the photo, or the error.
    """

    source: AnyItem
    photo: Photo | None
    result: T | Failure


def run(
    images: Iterable[AnyItem] | AnyItem,
    work: Work[T],
    *,
    batch_size: int = 32,
    workers: int = 2,
    concurrency: int = 1,
    limits: DecodeLimits | None = None,
) -> Iterator[list[Outcome[AnyItem, T]]]:
    """Decodes images in the background and runs the work on them batch by batch.

    Args:
        images: The inputs, or one alone; read a few batches ahead at most.
        work: N photos to N results, in order; called from ``concurrency`` threads.
        batch_size: Images in a batch, >= 1; the last batch may have fewer.
        workers: Decoding threads, >= 1.
        concurrency: Batches that run at the same time, >= 1.
        limits: Bounds on bytes and megapixels.

    Yields:
        One list a batch; over all of them, one outcome for each image, in order.

    Raises:
        UsageError: A setting is below 1.
        ImagistError: The work raised an error other than an `ItemError`: it cannot be done at all.
    """
    for name, value in (("batch_size", batch_size), ("workers", workers), ("concurrency", concurrency)):
        if value < 1:
            raise UsageError(f"must be at least 1, not {value}", item=name)
    loaded = load(images, limits=limits or DecodeLimits(), workers=workers, ahead=2 * batch_size)
    pending: deque[Future[list[Outcome[AnyItem, T]]]] = deque()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="imagist-work")
    with one_thread:
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
    results = iter(attempt(work, [photo for _, photo in batch if isinstance(photo, Photo)]))
    return [
        Outcome(source, item, next(results)) if isinstance(item, Photo) else Outcome(source, None, item)
        for source, item in batch
    ]


def attempt(work: Work[T], photos: Sequence[Photo]) -> list[T | Failure]:
    """Runs the work on all photos or, where that fails, on one at a time, so that only those at fault are lost.

    Returns:
        A result or a failure a photo, in order.

    Raises:
        ImagistError: The work raised an error other than an `ItemError`: it cannot be done at all.
    """
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
        return [result for photo in photos for result in attempt(work, [photo])]
    return [*results]


def _typed(error: Exception, photo: Photo) -> ItemError:
    if isinstance(error, ItemError):
        return error
    return ModelFailed(f"the model raised {type(error).__name__}: {error}", item=photo.source)
