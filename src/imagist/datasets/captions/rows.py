"""What one row of a table says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from imagist.datasets.captions.columns import Columns
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW
from imagist.datasets.captions.record import Entry, one_line

Placed = tuple[str, Mapping[str, object]]  # where a row stands in its file, such as "line 7", and its cells by column


def row_entries(rows: Iterable[Placed], columns: Columns, faults: Faults) -> Iterator[Entry]:
    """What rows say, in order, but for those at fault."""
    for place, cells in rows:
        if entry := row_entry(cells, columns, place, faults):
            yield entry


def row_entry(cells: Mapping[str, object], columns: Columns, place: str, faults: Faults) -> Entry | None:
    """What one row says.

    Args:
        cells: By column; what is not there is None.
        columns: Which say what.
        place: Of the row in its file, such as ``line 7``.
        faults: Gets what cannot be understood.

    Returns:
        The entry; None where it is at fault.
    """
    try:
        image, content, held = _image(cells, columns)
        captions, whole = _captions(cells, columns)
        translated = [code for code in columns.languages if not _null(cells.get(code))]
        translations = {code: _sentences(cells[code], code)[0] for code in translated}
        split = read_name(cells.get(columns.split), columns.split) if columns.split else None
    except ValueError as error:
        faults.add(ROW, f"{place}: {error}")
        return None
    return Entry(place, image, captions, split, content, translations, whole, held)


def _image(cells: Mapping[str, object], columns: Columns) -> tuple[str, bytes | None, bool]:
    """The name, empty where there is none; the bytes where they were read; whether the row holds them."""
    cell = cells.get(columns.image)
    name, content = (cell.get("path"), cell.get("bytes")) if isinstance(cell, Mapping) else (cell, None)
    if isinstance(name, bytes):
        name, content = None, name
    beside = cells.get(columns.name) if columns.name else None
    found = read_name(name, columns.image) or read_name(beside, columns.name)
    unread = columns.held and (columns.image not in cells or (isinstance(cell, Mapping) and "bytes" not in cell))
    held = unread or (isinstance(content, bytes) and len(content) > 0)
    if not found and not held:
        raise ValueError(f"column {columns.image!r} is empty; each row names or holds an image")
    return found or "", content if isinstance(content, bytes) and content else None, held


def _captions(cells: Mapping[str, object], columns: Columns) -> tuple[tuple[str, ...], bool]:
    if len(columns.captions) == 1:
        return _sentences(cells.get(columns.captions[0]), columns.captions[0])
    found = [_sentences(cells[name], name)[0] for name in columns.captions if not _null(cells.get(name))]
    return tuple(sentence for sentences in found for sentence in sentences), True


def _sentences(cell: object, column: str) -> tuple[tuple[str, ...], bool]:
    """The sentences of a cell, and whether they are a list; a null is an empty sentence, for ``check`` to name."""
    if isinstance(cell, str) and cell.startswith(("['", '["')):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise ValueError(f"column {column!r} looks like a list but is no JSON; write it with json.dumps") from None
    if not isinstance(cell, list | tuple):
        return (_sentence(cell, column),), False
    return tuple(_sentence(each, column) for each in cell), True


def _sentence(cell: object, column: str) -> str:
    if isinstance(cell, Mapping):
        cell = cell.get("raw", cell.get("caption"))
    if _null(cell):
        return ""
    if not isinstance(cell, str):
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, not text")
    return one_line(cell)


def read_name(cell: object, column: str | None) -> str | None:
    """The name that a cell is, a number too; None where it is empty.

    Raises:
        ValueError: It is neither.
    """
    if _null(cell):
        return None
    if isinstance(cell, str) or (isinstance(cell, int) and not isinstance(cell, bool)):
        return str(cell).strip()
    raise ValueError(f"column {column!r} holds {type(cell).__name__}, not a name")


def _null(cell: object) -> bool:
    """Also what pandas writes for a missing cell (NaN), and an empty cell of a CSV."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())
