"""Names on stdin, one a line; what is no list of names is refused, with what to do instead."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TextIO

from imagist.errors import ManifestError
from imagist.images import first_bytes
from imagist.images.addresses import is_data, is_url
from imagist.images.formats import MAGIC_BYTES, begins_like_image
from imagist.images.tables import columns
from imagist.images.tables.text import BOM

_FILES = {  # what is no list, up to a line end
    first_bytes.ZIP: "an archive or a workbook",
    first_bytes.GZIP: "a packed file",
    first_bytes.PARQUET: "a Parquet table",
    first_bytes.HTML: "a page of HTML",
}
_PNG = b"\x89PNG"  # a line end follows
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def names_on(stdin: TextIO) -> Iterator[str]:
    """The names, as they come, without blank lines.

    Blanks around a name are no part of it, unless there is such a file.

    Raises:
        ManifestError: The first line is that of an image, a table or another file.
    """
    begun = False
    for line in stdin:
        name = line.removeprefix(BOM).rstrip("\r\n")
        if not name.strip():
            continue
        if not begun:
            _check(name)
            begun = True
        yield name if _exists(name) else name.strip()


def _check(first: str) -> None:
    head = first.encode("utf-8", "surrogateescape")[:MAGIC_BYTES]
    kind = "UTF-16" if head.startswith(_UTF_16) else _FILES.get(first_bytes.kind_of(head) or "")
    kind = "an image" if kind is None and (head.startswith(_PNG) or begins_like_image(head)) else kind
    kind = "a table" if kind is None and _is_table(first) else kind
    if kind is not None:
        remedy = "send text as UTF-8" if kind == "UTF-16" else "save it, and name the file"
        raise ManifestError(f"stdin is {kind}, not a list of sources, one a line", item="-", remedy=remedy)


def _is_table(first: str) -> bool:
    """Whether a line is a header with a column of images, or a JSON object."""
    if is_url(first) or is_data(first) or _exists(first):
        return False
    cells = [cell.strip(' "') for cell in re.split("[,;\t]", first)]
    return first.lstrip().startswith(("{", "[{")) or (
        len(cells) > 1 and columns.find(cells, columns.IMAGES) is not None
    )


def _exists(name: str) -> bool:
    return os.path.lexists(name) if "\0" not in name else False
