"""Rows as JSON objects, one a line (JSONL) or in one list: ``{"image": ..., "captions": [...]}``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from imagist.captioned.columns import choose, row_entry
from imagist.captioned.faults import Faults
from imagist.captioned.lines import ROW, lines
from imagist.captioned.record import Entry, Wanted


def json_line_entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The rows of a JSONL file, in order; lines that cannot be understood are faults.

    Raises:
        DataError: As ``object_entries``.
    """
    return object_entries(_objects(path, faults), str(path), wanted, faults)


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
    rows = []
    for place, cells in placed:
        if isinstance(cells, Mapping):
            rows.append((place, cells))
        else:
            faults.add(ROW, f"{place} is {type(cells).__name__}, not a JSON object")
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    columns = choose(names, wanted.languages, item)
    for place, cells in rows:
        if entry := row_entry(cells, columns, place, faults):
            yield entry


def _objects(path: Path, faults: Faults) -> Iterator[tuple[str, object]]:
    for number, line in lines(path, faults):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                faults.add(ROW, f"line {number} is not JSON: {error}")
