"""Lines of a text file in UTF-8, each with its number; bytes that are not UTF-8 are reported."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imagist.errors import ManifestError

HEAD = 1 << 16  # bytes of a file by which its format is detected
_ESCAPED = re.compile("[\udc80-\udcff]")


class Line(NamedTuple):
    r"""A line of a text file.

    Attributes:
        number: From 1.
        text: With its end (``\n``); bytes that are not UTF-8 are replaced.
        problem: Names the line and its first byte that is not UTF-8; None where there is none.
    """

    number: int
    text: str
    problem: str | None


def lines(path: Path) -> Iterator[Line]:
    r"""Every line of a file, without a byte order mark.

    Lines end with ``\n``; with ``\r`` in a file that begins without any ``\n``, as old spreadsheets write them.

    Raises:
        ManifestError: The file is UTF-16.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ManifestError("the text is UTF-16", item=str(path), remedy="save it as UTF-8")
    end = "\r" if b"\r" in head.rstrip(b"\r") and b"\n" not in head else "\n"
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=end) as text:
        for number, line in enumerate(text, start=1):
            escaped = None if line.isascii() else _ESCAPED.search(line)
            if escaped is None:
                yield Line(number, line, None)
                continue
            byte = ord(escaped[0]) - 0xDC00
            yield Line(number, _ESCAPED.sub("\ufffd", line), f"line {number} has a byte {byte:#04x} that is not UTF-8")
