"""Lines of a text file, also packed with gzip, each with its number; what cannot be read is reported.

Text is UTF-8, or UTF-16 or UTF-32, which are known by their byte order mark or by where their NULs are.
"""

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
from imagist.images import first_bytes
from imagist.images.formats import begins_like_image
from imagist.images.stored import AnyPath, gunzipped
from imagist.images.unicode_text import encoding_of

BOM = "\ufeff"
_UNREADABLE = "\ufffd"
HEAD = 1 << 16  # bytes of a file by which its format is detected
_SAMPLE = 1 << 10  # bytes by which text without a byte order mark is told from other data
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_OTHERS = {  # files that are renamed, or given in place of a table: what they are, and what to do
    first_bytes.ZIP: ("a ZIP archive", "unpack it; if it holds images, name it .zip"),
    first_bytes.TAR: ("a tar archive", "name it .tar, or .tar.gz where it is packed"),
    first_bytes.GZIP: ("packed twice", "unpack it"),
    **dict.fromkeys(first_bytes.PACKED, ("a packed file", "unpack it, or pack it with gzip")),
    first_bytes.OLD_EXCEL: ("an Excel workbook, old or protected", "save it as CSV, or as .xlsx without a password"),
    first_bytes.PARQUET: ("a Parquet table", "name it .parquet"),
    first_bytes.ARROW: ("an Arrow file", "save it as Parquet"),
    first_bytes.SQLITE: ("a data base of SQLite", "export the table as CSV"),
    first_bytes.PDF: ("a PDF", "save its table as CSV"),
    first_bytes.HTML: ("a page of HTML", "get the table that the page is about"),
}
_ESCAPE = "imagist.images.tables.escape"
_ESCAPED = re.compile("[\udc00-\udcff]")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Bytes that cannot be decoded as lone surrogates, as ``surrogateescape`` does, of ASCII too."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ESCAPE, _escape)


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
        packed = first_bytes.kind_of(file.read(2)) == first_bytes.GZIP
    return gunzipped(path) if packed else path.open("rb")


def lines(path: AnyPath) -> Iterator[Line]:
    r"""Every line of a file, without byte order marks.

    Lines end with ``\n``; with ``\r`` in a file that begins without any ``\n``, as old spreadsheets write them.

    Raises:
        ManifestError: The file is no text; the message says what it is, where its first bytes tell.
        OSError: It cannot be read.
    """
    head = head_of(path)
    _check_text(path, head)
    encoding, start = encoding_of(head), decoded(head)
    end = "\r" if "\r" in start.rstrip("\r") and "\n" not in start else "\n"
    with opened(path) as file, io.TextIOWrapper(file, encoding=encoding, errors=_ESCAPE, newline=end) as text:
        for number, line in enumerate(_readable(text), start=1):
            if isinstance(line, Exception):
                yield Line(number, _UNREADABLE, f"cannot be read from line {number} on: {line}; get the file again")
                return
            if line.isascii():
                yield Line(number, line, None)
                continue
            line = line.removeprefix(BOM)  # of each file that somebody put together
            escaped = _ESCAPED.search(line)
            if escaped is None:
                yield Line(number, line, None)
                continue
            byte, name = ord(escaped[0]) - 0xDC00, encoding.removesuffix("-sig").upper()
            problem = f"line {number} has a byte {byte:#04x} that is not {name}; save the file as UTF-8"
            yield Line(number, _ESCAPED.sub(_UNREADABLE, line), problem)


def whole(path: AnyPath) -> str:
    """The text of a file.

    Raises:
        ManifestError: It is no text, or some of it cannot be read.
        OSError: It cannot be read.
    """
    found = []
    for line in lines(path):
        if line.problem:
            raise ManifestError(line.problem, item=str(path))
        found.append(line.text)
    return "".join(found)


def decoded(head: bytes) -> str:
    """The beginning of a file as text, from the first character that is not white space."""
    return head.decode(encoding_of(head), "replace").lstrip()


def _check_text(path: AnyPath, head: bytes) -> None:
    found = _OTHERS.get(first_bytes.kind_of(head) or "")
    if found is None and begins_like_image(head):
        found = "an image", "give it the suffix of an image"
    if found is None and encoding_of(head) == "utf-8-sig":
        sample = head[:_SAMPLE]
        if len(_CONTROLS.findall(sample)) * 10 > len(sample):
            found = "binary data", "give text, Parquet or .xlsx"
    if found:
        what, remedy = found
        if path.suffix.lower() == ".zip":
            remedy = remedy.partition(";")[0]  # what comes behind is to name it so
        raise ManifestError(f"is {what}, not text", item=str(path), remedy=remedy)


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
