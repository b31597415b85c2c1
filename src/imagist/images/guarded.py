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
    """Stands in a warning filter where the pattern of module names goes; matches only in threads that are decoding.

    ``warnings.catch_warnings`` is no help: it swaps the filters of all threads. This one filter says "ignore" in the
    right threads and is invisible to the others, so an application keeps the warnings of its own use of Pillow.
    """

    depth = 0

    def match(self, module: str) -> bool:
        return self.depth > 0 and module.startswith(_LIBRARIES)


_DECODING = _Decoding()
_FILTER: Any = ("ignore", None, Warning, _DECODING, 0)
_INSTALLING = threading.Lock()


def _install() -> None:
    """Puts the filter first, where anything (a test's ``catch_warnings``, say) has removed or overtaken it."""
    with _INSTALLING:
        filters = warnings.filters
        filters[:] = [_FILTER, *(each for each in filters if each is not _FILTER)]  # type: ignore[index]
        _silence_stderr()


@cache
def _silence_stderr() -> None:
    """Takes from stderr what Pillow logs where no logging is set up, and what its libtiff prints of damaged files.

    Both hold for the process: neither knows of threads. Handlers that an application installs still get the log.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    pillow = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]
    for setter in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(pillow, setter):  # not where Pillow is linked statically
            getattr(pillow, setter)(None)


@contextmanager
def quiet() -> Iterator[None]:
    """In this thread and this block, Pillow and pillow-heif neither warn nor print; other threads are not touched."""
    if not warnings.filters or warnings.filters[0] is not _FILTER:
        _install()
    _DECODING.depth += 1
    try:
        yield
    finally:
        _DECODING.depth -= 1


class TimedBytes(io.BytesIO):
    """Encoded bytes that can no longer be read once the reading thread has spent its time.

    Pillow's parsers and most of its decoders ask for a little at a time, so this ends those that would go on for ever.

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
            DecodeTimeout: The time is spent.
        """
        # A thread never spends more processor time than time passes, and the latter is cheaper to ask for.
        if time.monotonic() > self._wall and time.thread_time() > self._processor:
            raise DecodeTimeout(f"not decoded after {self._seconds:g} s of processor time")
        return super().read(size)
