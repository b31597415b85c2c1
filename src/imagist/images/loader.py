"""Rows to photos, decoded ahead of the consumer by a few threads, in order."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from imagist.errors import CorruptPicture, ImagistError, PictureTooLarge
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.photo import as_photo
from imagist.records import Failure, Photo, Row

Loaded = tuple[Row, Photo | Failure]


def load(
    rows: Iterable[Row], *, limits: DecodeLimits = DEFAULT_LIMITS, workers: int = 2, ahead: int = 64
) -> Iterator[Loaded]:
    """Reads and decodes rows, each of which comes out once, in order, as a Photo or a Failure.

    Decoding runs in C without the interpreter's lock, so threads are enough. At most ``ahead`` rows are held. When the
    consumer stops early, rows not yet begun are dropped and those being decoded are waited for. When ``rows`` itself
    fails, what was taken from it comes out first.

    Args:
        rows: What to read.
        limits: What one picture may cost.
        workers: Threads, at least 1.
        ahead: Rows held at once, at least 1.
    """
    pending: deque[tuple[Row, Future[Photo | Failure]]] = deque()
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


def _next(pending: deque[tuple[Row, Future[Photo | Failure]]]) -> Loaded:
    row, future = pending.popleft()
    return row, future.result()


def _photo(row: Row, limits: DecodeLimits) -> Photo | Failure:
    try:
        return as_photo(row, limits=limits)
    except ImagistError as error:
        return Failure(row.source, copy.copy(error))  # the copy has no traceback, which would hold on to the bytes
    except MemoryError:
        return Failure(row.source, PictureTooLarge("out of memory", item=row.source))
    except Exception as error:  # a fault of ours, too, must cost one row and not the run
        return Failure(row.source, CorruptPicture(f"{type(error).__name__}: {error}", item=row.source))
