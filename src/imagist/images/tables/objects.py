"""JSON objects as rows: one a line (JSON lines), or in a list that is the whole document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imagist.errors import ManifestError
from imagist.images.stored import AnyPath
from imagist.images.tables.table import RAW, Table, TableRow, distinct
from imagist.images.tables.text import lines, whole


def open_json_lines(path: AnyPath) -> Table:
    """A table of JSON lines; its columns are the keys of all its objects, in the order of their first occurrence.

    Raises:
        ManifestError: The file is no text, or no line of it can be read.
        OSError: It cannot be read.
    """

    def rows(columns: Sequence[str] | None = None, *, content: bool = True) -> Iterator[TableRow]:
        return _line_rows(path)

    names, length, problem = dict[str, None](), 0, ""
    for row in rows():
        length += 1
        problem = problem or row.problem or ""
        if row.problem is None and not row.cells.keys() <= names.keys():
            names.update(dict.fromkeys(row.cells))
    if problem and not names:
        raise ManifestError(problem, item=str(path), remedy="write an object a line")
    return Table(path, [*names], rows, images=[*names], length=length)


def _line_rows(path: AnyPath) -> Iterator[TableRow]:
    for number, text, problem in lines(path):
        if not text.strip():
            continue
        place = f"line {number}"
        try:
            row = object_row(place, json.loads(text, object_pairs_hook=_object))
        except (ValueError, RecursionError) as error:
            row = TableRow(place, {RAW: text.strip()}, f"{place} is not JSON: {error}")
        yield row._replace(problem=problem) if problem else row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a repeated name becomes ``name.1``, else its first value would be lost."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return dict(zip(distinct([name for name, _ in pairs]), (value for _, value in pairs), strict=True))


def object_row(place: str, value: object) -> TableRow:
    """A JSON value as a row; what is no object is a problem."""
    if isinstance(value, Mapping):
        return TableRow(place, value)
    raw = {RAW: json.dumps(value, ensure_ascii=False)}
    return TableRow(place, raw, f"{place} is {type(value).__name__}, not a JSON object")


def table_of_objects(path: AnyPath, values: Sequence[object]) -> Table:
    """A table whose rows are the objects of a list; its columns are the keys of all of them.

    A list of text alone is a column ``image``.

    Args:
        path: Their file.
        values: The list.

    Raises:
        ManifestError: There are values, and no objects.
    """
    if values and all(isinstance(value, str) for value in values):
        values = [{"image": value} for value in values]
    found = [object_row(f"row {number}", value) for number, value in enumerate(values)]
    names = [*dict.fromkeys(name for row in found if row.problem is None for name in row.cells)]
    if not names and found and found[0].problem:
        raise ManifestError(found[0].problem, item=str(path), remedy="write a list of objects, or of paths")

    def rows(columns: Sequence[str] | None = None, *, content: bool = True) -> Iterator[TableRow]:
        return iter(found)

    return Table(path, names, rows, images=names, length=len(found))


def read_document(path: AnyPath, remedy: str | None = None) -> Any:
    """The one JSON value that a whole file is.

    Raises:
        ManifestError: It is not JSON, or no text.
        OSError: It cannot be read.
    """
    text = whole(path)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"not JSON: {error}", item=str(path), remedy=remedy) from error
