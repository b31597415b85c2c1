"""Rows to photos, decoded ahead of the consumer by a few threads, in order."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from imagist.errors import CorruptImage, ImageTooLarge, ImagistError
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.photo import AnyItem, Item, as_photo, items, name_of
from imagist.records import Failure, Photo


def load(
    rows: Iterable[AnyItem] | AnyItem, *, limits: DecodeLimits = DEFAULT_LIMITS, workers: int = 2, ahead: int = 64
) -> Generator[tuple[AnyItem, Photo | Failure]]:
    """Reads and decodes images in any form of `Item`; yields each once, in order, with its Photo or Failure.

    Decoding runs in C without the interpreter's lock, so threads are enough. At most ``ahead`` rows are held. When the
    consumer stops early, waiting rows are dropped and rows in work are completed. When ``rows`` itself raises, the
    rows before are yielded first.

    Args:
        rows: What to read; one image alone is taken for a list of one.
        limits: Bounds on the bytes, pixels and time of one image.
        workers: Threads, at least 1.
        ahead: Rows held at once, at least 1.
    """
    pending: deque[tuple[AnyItem, Future[Photo | Failure]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="imagist-load")
    try:
        try:
            for row in items(rows):
                pending.append((row, pool.submit(_photo, row, limits)))
                while pending and (len(pending) >= ahead or pending[0][1].done()):
                    yield _next(pending)
        except Exception:
            while pending:
                yield _next(pending)
            raise
        while pending:
            yield _next(pending)
    finally:
        pool.shutdown(cancel_futures=True)


def _next(pending: deque[tuple[AnyItem, Future[Photo | Failure]]]) -> tuple[AnyItem, Photo | Failure]:
    row, future = pending.popleft()
    return row, future.result()


def _photo(row: Item, limits: DecodeLimits) -> Photo | Failure:
    try:
        return as_photo(row, limits=limits)
    except ImagistError as error:
        return Failure(
            name_of(row), copy.copy(error)
        )  # the copy has no traceback, which would keep the bytes in memory
    except MemoryError:
        return Failure(name_of(row), ImageTooLarge("out of memory", item=name_of(row)))
    except Exception as error:  # also a fault of our own fails one row and not the run
        return Failure(name_of(row), CorruptImage(f"{type(error).__name__}: {error}", item=name_of(row)))
