"""Rows to photos, decoded ahead of the consumer by a few threads, in order."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from imagist.errors import CorruptImage, ImageTooLarge, ImagistError
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.photo import Item, as_photo, name_of
from imagist.records import Failure, Photo

AnyItem = TypeVar("AnyItem", bound=Item)


def load(
    rows: Iterable[AnyItem], *, limits: DecodeLimits = DEFAULT_LIMITS, workers: int = 2, ahead: int = 64
) -> Generator[tuple[AnyItem, Photo | Failure]]:
    """Reads and decodes rows, or images given in any other way; each comes out once, in order, as Photo or Failure.

    Decoding runs in C without the interpreter's lock, so threads are enough. At most ``ahead`` rows are held. When the
    consumer stops early, rows not yet begun are dropped and those being decoded are waited for. When ``rows`` itself
    fails, what was taken from it comes out first.

    Args:
        rows: What to read.
        limits: What one image may cost.
        workers: Threads, at least 1.
        ahead: Rows held at once, at least 1.
    """
    pending: deque[tuple[AnyItem, Future[Photo | Failure]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="imagist-load")
    try:
        try:
            for row in rows:
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
        return Failure(name_of(row), copy.copy(error))  # the copy has no traceback, which would hold on to the bytes
    except MemoryError:
        return Failure(name_of(row), ImageTooLarge("out of memory", item=name_of(row)))
    except Exception as error:  # a fault of ours, too, must cost one row and not the run
        return Failure(name_of(row), CorruptImage(f"{type(error).__name__}: {error}", item=name_of(row)))
