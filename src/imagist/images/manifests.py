"""Tables of images to rows.

One column names or holds the images: a path (relative to the table's folder), an http(s) address, encoded bytes, or
the Hugging Face struct ``{bytes, path}``. All others are carried through.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagist.errors import ManifestError, SourceNotFound
from imagist.images.fetch import is_url
from imagist.images.tables import Record, open_table
from imagist.records import Row

# What people call the column of images, in lower case without spaces and punctuation, best first.
_NAMES = (
    *("image", "images", "img", "picture", "photo", "photograph", "imagebytes", "bytes"),
    *("path", "imagepath", "imgpath", "photopath", "filepath", "file", "filename", "imagefile", "imagename"),
    *("url", "imageurl", "imgurl", "photourl", "imageurl", "displayurl"),
    *("medialink", "medialinks", "mediaurl", "media", "link", "jpg", "jpeg", "png", "webp"),
)


def check_manifest(path: Path, column: str | None = None) -> None:
    """Raises ManifestError where ``manifest_rows`` would, without reading rows."""
    _choose(path, column)


def manifest_rows(path: Path, column: str | None = None) -> Iterator[Row]:
    """The rows of a table, in order, in constant memory.

    A row is named after its image: the address, the path, or the struct's path. Where there is none it is named
    ``table#n``, with ``n`` the line in text formats (a header is line 1) and the row from 0 in Parquet. A row that
    cannot be read has its ``error`` set.

    Args:
        path: Its suffix says which format it is.
        column: The column of images; found by its name where it is None.

    Raises:
        ManifestError: The table cannot be read, or has no such column; the message lists those it has.
    """
    chosen = _choose(path, column)
    for record in open_table(path).records():
        yield _row(path, record, chosen)


def _row(path: Path, record: Record, column: str) -> Row:
    number, cells = record
    name = f"{path}#{number}"
    if isinstance(cells, ManifestError):
        return Row(name, error=cells)
    carried = {key: value for key, value in cells.items() if key != column}
    cell = cells.get(column)
    if isinstance(cell, Mapping):
        content = cell.get("bytes")
        cell = cell.get("path")
        if isinstance(content, bytes) and content:
            return Row(str(cell or name), content, carried)
    if isinstance(cell, bytes) and cell:
        return Row(name, cell, carried)
    if isinstance(cell, str) and cell.strip():
        source = cell.strip()
        return Row(source if is_url(source) else _beside(path, source), columns=carried)
    empty = not cell or cell != cell or isinstance(cell, str)
    problem = "is empty" if empty else f"holds {type(cell).__name__}, not an image"
    return Row(name, columns=carried, error=SourceNotFound(f"column {column!r} {problem}", item=name))


def _beside(path: Path, source: str) -> str:
    return os.path.join(os.path.dirname(str(path)), source)  # noqa: PTH118, PTH120  (a Path would add "./")


def _choose(path: Path, wanted: str | None) -> str:
    table = open_table(path)
    if wanted is None:
        names = {re.sub(r"[\W_]+", "", column).lower(): column for column in reversed(table.usable)}
        found = next((names[name] for name in _NAMES if name in names), None)
        problem = "no column of images"
    else:
        names = {column.lower(): column for column in table.columns}
        found = wanted if wanted in table.columns else names.get(wanted.lower())
        problem = f"no column {wanted!r}"
    if found is None:
        columns = ", ".join(table.columns) or "none"
        raise ManifestError(f"{problem}; it has {columns}", item=str(path), remedy="name one with column (--column)")
    return found
