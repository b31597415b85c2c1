"""Tables of images to rows.

One column names or holds the images: a path (relative to the table's folder), an http(s) or ``data:`` address, base64,
encoded bytes, or the Hugging Face struct ``{bytes, path}``. All others are carried through.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from imagist.errors import ManifestError, SourceNotFound
from imagist.images.fetch import is_url
from imagist.images.tables import Table, TableRow, cells, columns, open_table
from imagist.records import Row


def check_manifest(path: Path, column: str | None = None) -> None:
    """Raises ManifestError where ``manifest_rows`` would, without reading images."""
    _choose(open_table(path), column)


def manifest_rows(path: Path, column: str | None = None) -> Iterator[Row]:
    """The rows of a table, in order, in constant memory.

    A row is named after its image: the address, the path, or the struct's path. Where there is none it is named
    ``table#n``, with ``n`` the line in text formats (a header is line 1) and the row from 0 in Parquet and lists of
    JSON. A row that cannot be read has its ``error`` set.

    Args:
        path: The table.
        column: The column of images; found by its name where it is None.

    Raises:
        ManifestError: The table cannot be read, or has no such column; the message lists those it has.
    """
    table = open_table(path)
    chosen = _choose(table, column)
    for row in table.rows():
        yield _row(path, row, chosen)


def _row(path: Path, row: TableRow, column: str) -> Row:
    numbered = f"{path}#{row.number}"
    if row.problem is not None:
        return Row(numbered, error=ManifestError(row.problem, item=str(path)))
    carried = {key: value for key, value in row.cells.items() if key != column}
    name, content = cells.image(row.cells.get(column))
    if content:
        return Row(str(name or numbered), content, carried)
    if isinstance(name, str) and name.strip():
        source = name.strip()
        return Row(source if is_url(source) else _beside(path, source), columns=carried)
    problem = "is empty" if not name or cells.is_empty(name) else f"holds {type(name).__name__}, not an image"
    return Row(numbered, columns=carried, error=SourceNotFound(f"column {column!r} {problem}", item=numbered))


def _beside(path: Path, source: str) -> str:
    return os.path.join(os.path.dirname(str(path)), source)  # noqa: PTH118, PTH120  (a Path would add "./")


def _choose(table: Table, wanted: str | None) -> str:
    if wanted is None:
        found, missing = columns.find(table.images, columns.IMAGES), "column of images"
    else:
        found, missing = columns.named(wanted, table.columns), f"column {wanted!r}"
    if found is None:
        remedy = "name one with column (--column)"
        raise ManifestError(columns.lacking([missing], table.columns), item=str(table.path), remedy=remedy)
    return found
