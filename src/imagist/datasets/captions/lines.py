"""Lines of a text file, each with its number; bytes that are no UTF-8 are faults and not silently replaced."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from imagist.datasets.captions.faults import Faults
from imagist.errors import DataError

ROW = "unreadable row"


def lines(path: Path, faults: Faults) -> Iterator[tuple[int, str]]:
    r"""Every line with its number from 1 and its end (``\n``), without a byte order mark.

    A line with a byte that is no UTF-8 is a fault; it comes out with that byte replaced, so that reading can go on.

    Raises:
        DataError: The file is UTF-16.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            content = raw
            if number == 1:
                if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise DataError("the text is UTF-16", item=str(path), remedy="save it as UTF-8")
                content = raw.removeprefix(codecs.BOM_UTF8)
            try:
                text = content.decode()
            except UnicodeDecodeError as error:
                faults.add(ROW, f"line {number} has a byte {content[error.start]:#04x} that is no UTF-8")
                text = content.decode(errors="replace")
            yield number, text
