"""Rows as JSON objects, one a line (JSONL) or in one list: ``{"image": ..., "captions": [...]}``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imagist.datasets.captions.columns import choose
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW, lines
from imagist.datasets.captions.record import Entry, Wanted
from imagist.datasets.captions.rows import Placed, row_entries
from imagist.errors import DataError


def json_line_entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The rows of a JSONL file, in order; lines that cannot be understood are faults.

    Raises:
        DataError: As ``object_entries``.
    """
    return object_entries(json_lines(path, faults), str(path), wanted, faults)


def object_entries(placed: Iterable[tuple[str, object]], item: str, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The rows that some objects are, in order; what is no object is a fault.

    Args:
        placed: Each with its place, such as ``line 7``.
        item: The file.
        wanted: Besides captions.
        faults: Gets what cannot be understood.

    Raises:
        DataError: No row says anything of images or captions, or of a language asked for.
    """
    rows = objects(placed, faults)
    yield from row_entries(rows, choose(keys(rows), wanted.languages, item), faults)


def json_lines(path: Path, faults: Faults) -> Iterator[tuple[str, object]]:
    """The value of each line that is not blank, with its place; what is no JSON is a fault."""
    for number, line in lines(path, faults):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                faults.add(ROW, f"line {number} is not JSON: {error}")


def json_document(path: Path, remedy: str | None = None) -> Any:
    """The one value that a whole file is.

    Raises:
        DataError: It is not JSON.
        OSError: It cannot be read.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", item=str(path), remedy=remedy) from error


def members(values: Sequence[object], name: str = "") -> Iterator[tuple[str, object]]:
    """The members of a list of a document, each with its place, such as ``images[7]``."""
    return ((f"{name}[{i}]", value) for i, value in enumerate(values))


def objects(placed: Iterable[tuple[str, object]], faults: Faults) -> list[Placed]:
    """Those of some values, each with its place, that are JSON objects; the others are faults."""
    rows = []
    for place, cells in placed:
        if isinstance(cells, Mapping):
            rows.append((place, cells))
        else:
            faults.add(ROW, f"{place} is {type(cells).__name__}, not a JSON object")
    return rows


def keys(rows: Iterable[Placed]) -> list[str]:
    """The columns of any of the rows, each once, in the order in which they first occur."""
    return list(dict.fromkeys(name for _, cells in rows for name in cells))
