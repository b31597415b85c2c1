"""Keeps decoders quiet and within their time, from any thread."""

from __future__ import annotations

import ctypes
import io
import logging
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from PIL import Image

from imagist.errors import DecodeTimeout

_LIBRARIES = ("PIL.", "pillow_heif")


class _Decoding(threading.local):
    """A module pattern for a warning filter that matches only in threads that are decoding.

    ``warnings.catch_warnings`` changes the filters of all threads. This filter ignores warnings in decoding threads
    only, so an application keeps the warnings of its own use of Pillow.
    """

    depth = 0

    def match(self, module: str) -> bool:
        return self.depth > 0 and module.startswith(_LIBRARIES)


_DECODING = _Decoding()
_FILTER: Any = ("ignore", None, Warning, _DECODING, 0)
_INSTALLING = threading.Lock()


def _install() -> None:
    """Puts the filter first again if anything, such as ``catch_warnings``, has removed it or put another before it."""
    with _INSTALLING:
        filters = warnings.filters
        filters[:] = [_FILTER, *(each for each in filters if each is not _FILTER)]  # type: ignore[index]
        _silence_stderr()


@cache
def _silence_stderr() -> None:
    """Keeps Pillow's log and the messages of its libtiff about damaged files off stderr.

    Both apply to the whole process. Log handlers that an application installs still receive the log.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    pillow = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]
    for setter in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(pillow, setter):  # not where Pillow is linked statically
            getattr(pillow, setter)(None)


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the warnings of Pillow and pillow-heif in this thread and this block."""
    if not warnings.filters or warnings.filters[0] is not _FILTER:
        _install()
    _DECODING.depth += 1
    try:
        yield
    finally:
        _DECODING.depth -= 1


class TimedBytes(io.BytesIO):
    """Encoded bytes that raise when they are read after a time limit.

    Pillow's parsers and most of its decoders read in small steps, so this stops those that would not end.

    Args:
        content: The encoded bytes; not copied.
        seconds: Processor time that this thread may spend from now on.
    """

    def __init__(self, content: bytes, seconds: float) -> None:
        super().__init__(content)
        self._seconds = seconds
        self._wall = time.monotonic() + seconds
        self._processor = time.thread_time() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        """As BytesIO.

        Raises:
            DecodeTimeout: The time limit has passed.
        """
        # Processor time is never more than wall time, which is faster to read.
        if time.monotonic() > self._wall and time.thread_time() > self._processor:
            raise DecodeTimeout(f"not decoded after {self._seconds:g} s of processor time")
        return super().read(size)
