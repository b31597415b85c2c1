"""Lines of a text file in UTF-8, also packed with gzip, each with its number; what cannot be read is reported."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from imagist.errors import ManifestError
from imagist.images.stored import AnyPath, gunzipped

_GZIP = b"\x1f\x8b"
_UNREADABLE = "\ufffd"
HEAD = 1 << 16  # bytes of a file by which its format is detected
_ESCAPED = re.compile("[\udc80-\udcff]")


class Line(NamedTuple):
    r"""A line of a text file.

    Attributes:
        number: From 1.
        text: With its end (``\n``); bytes that are not UTF-8 are replaced. One such character where the file cannot be
            read from this line on.
        problem: Names the line and its first byte that is not UTF-8, or why it cannot be read; None where it can.
    """

    number: int
    text: str
    problem: str | None


def opened(path: AnyPath) -> io.BufferedReader | gzip.GzipFile:
    """A file of text, unpacked where it is packed with gzip.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gunzipped(path) if packed else path.open("rb")


def lines(path: AnyPath) -> Iterator[Line]:
    r"""Every line of a file, without a byte order mark.

    Lines end with ``\n``; with ``\r`` in a file that begins without any ``\n``, as old spreadsheets write them.

    Raises:
        ManifestError: The file is UTF-16.
        OSError: It cannot be read.
    """
    with opened(path) as file:
        head = _beginning(file)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ManifestError("the text is UTF-16", item=str(path), remedy="save it as UTF-8")
    end = "\r" if b"\r" in head.rstrip(b"\r") and b"\n" not in head else "\n"
    with (
        opened(path) as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline=end) as text,
    ):
        for number, line in enumerate(_readable(text), start=1):
            if isinstance(line, Exception):
                yield Line(number, _UNREADABLE, f"cannot be read from line {number} on: {line}")
                return
            escaped = None if line.isascii() else _ESCAPED.search(line)
            if escaped is None:
                yield Line(number, line, None)
                continue
            byte = ord(escaped[0]) - 0xDC00
            yield Line(
                number, _ESCAPED.sub(_UNREADABLE, line), f"line {number} has a byte {byte:#04x} that is not UTF-8"
            )


def head_of(path: AnyPath) -> bytes:
    """The first `HEAD` bytes of a file, unpacked; fewer where it is damaged.

    Raises:
        OSError: It cannot be read.
    """
    with opened(path) as file:
        return _beginning(file)


def _beginning(file: io.BufferedReader | gzip.GzipFile) -> bytes:
    head = b""
    with suppress(EOFError, zlib.error, gzip.BadGzipFile):
        while len(head) < HEAD and (part := file.read1(HEAD - len(head))):
            head += part
    return head


def _readable(text: Iterator[str]) -> Iterator[str | Exception]:
    """The lines up to the first that cannot be unpacked, then the reason."""
    try:
        yield from text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield error
