"""Tables of images to rows.

One column names or holds the images: a path (in the table's folder, or another), an http(s) or ``data:`` address,
base64, encoded bytes, or the Hugging Face struct ``{bytes, path}``; or a list of these. All others are carried through.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagist.errors import ManifestError, MissingExtra, SourceNotFound
from imagist.images.addresses import is_data, is_url, placed
from imagist.images.formats import has_image_suffix
from imagist.images.stored import AnyPath
from imagist.images.tables import Table, TableRow, cells, columns, open_table
from imagist.images.tables.lists import several
from imagist.records import Row

_LONGEST_PATH = 4096  # characters


def check_manifest(path: AnyPath, column: str | None = None) -> None:
    """Raises ManifestError where ``manifest_rows`` would, without reading images."""
    _choose(open_table(path), column)


def images_held(path: AnyPath, column: str | None = None) -> int:
    """How many rows a table has whose column of images holds encoded images; 0 where it names them or is damaged."""
    try:
        table = open_table(path)
        return (table.length or 0) if table.between and _choose(table, column) in table.encoded else 0
    except (ManifestError, MissingExtra):
        return 0


def manifest_rows(
    path: AnyPath, column: str | None = None, images: Path | None = None, between: tuple[int, int] | None = None
) -> Iterator[Row]:
    """The rows of a table, in order, in constant memory; of a cell with several images a row for each.

    A row is named after its image: the address, the path, or the struct's path. Where there is none it is named
    ``table#n``, with ``n`` the line in text formats (a header is line 1) and the row from 0 in Parquet and lists of
    JSON. A row that cannot be read has its ``error`` set, and carries
    what can be read of it, the column of images included.

    Args:
        path: The table.
        column: The column of images; found by its name where it is None.
        images: The folder of relative paths; the table's own where it is None.
        between: The first row, and the one after the last, of a table that can be read between rows; None reads all.

    Raises:
        ManifestError: The table cannot be read, or has no such column; the message lists those it has.
    """
    table = open_table(path)
    chosen = _choose(table, column)
    folder = os.path.dirname(str(path)) if images is None else str(images)  # noqa: PTH120  (a Path would add "./")
    for row in table.between(*between) if between and table.between else table.rows():
        yield from _rows(row, chosen, path, folder)


def _rows(row: TableRow, column: str, path: AnyPath, folder: str) -> Iterator[Row]:
    numbered = f"{path}#{row.number}"
    if row.problem is not None:
        yield Row(numbered, columns=dict(row.cells), error=ManifestError(row.problem, item=str(path)))
        return
    carried = {key: value for key, value in row.cells.items() if key != column}
    cell = row.cells.get(column)
    found = several(cell)
    if found and isinstance(cell, str) and len(cell) < _LONGEST_PATH and os.path.lexists(placed(cell.strip(), folder)):
        found = None  # a file whose name looks like a list
    if found is None:
        yield _row(cell, carried, column, numbered, folder)
        return
    for number, each in enumerate(found, start=1):
        yield _row(each, carried, column, f"{numbered}.{number}", folder)
    if not found:
        yield _row(None, carried, column, numbered, folder)


def _row(cell: object, carried: Mapping[str, object], column: str, numbered: str, folder: str) -> Row:
    """The row of one image.

    Args:
        cell: Names or holds it.
        carried: The other cells.
        column: Of the cell.
        numbered: The name of the row where the cell has none.
        folder: Of relative paths.
    """
    name, content = cells.image(cell)
    if content:
        return Row(str(name or numbered), content, carried)
    if isinstance(name, str) and name.strip():
        source = placed(name.strip(), folder)
        if len(source) < _LONGEST_PATH or is_url(source):
            if not cells.stands_for_none(name) or os.path.lexists(source):
                return Row(source, columns=carried)
            name = None
    return Row(numbered, columns=carried, error=SourceNotFound(f"column {column!r} {_why(cell, name)}", item=numbered))


def _why(cell: object, name: object) -> str:
    """Why a cell, or the name of an image in it, is no image."""
    if isinstance(cell, str) and is_data(cell):
        return "holds a data: address without an image"
    if not name or cells.is_empty(name):
        return "is empty"
    what = f"a text of {len(name):,} characters" if isinstance(name, str) else type(name).__name__
    return f"holds {what}, not an image"


def _choose(table: Table, wanted: str | None) -> str:
    if wanted is None:
        found, missing = columns.find(table.images, columns.IMAGES), "column of images"
    else:
        found, missing = columns.named(wanted, table.columns), f"column {wanted!r}"
    if found is None:
        is_headless = any(has_image_suffix(name) or is_url(name) for name in table.columns)
        remedy = "give it a header, such as image" if is_headless else "name one with column (--column)"
        raise ManifestError(columns.lacking([missing], table.columns), item=str(table.path), remedy=remedy)
    return found
