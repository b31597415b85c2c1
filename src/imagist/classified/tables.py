"""Tables of labelled pictures: CSV and TSV, JSON objects in a list or one a line, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.captioned import parquet
from imagist.captioned.faults import Faults
from imagist.captioned.formats import _HEAD
from imagist.captioned.jsonlines import _objects
from imagist.captioned.lines import ROW
from imagist.captioned.record import Wanted
from imagist.classified.columns import Found, find, labelled
from imagist.classified.example import Labelled
from imagist.classified.naming import label_names
from imagist.classified.separated import separated_rows
from imagist.classified.source import Source
from imagist.errors import DataError

if TYPE_CHECKING:
    from pyarrow import Schema


def separated_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The rows of a CSV or TSV, in order; rows that cannot be understood are faults.

    Raises:
        DataError: As ``columns.find``.
    """
    header, rows = separated_rows(Path(source.path), faults)
    found = _named(find(header, source.columns, str(source.path)), source)
    for place, cells in rows:
        if row := labelled(cells, found, place, faults):
            yield row


def json_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The objects of a JSON list, or of a JSONL file, in order; what is no object is a fault.

    Raises:
        DataError: A list that is no JSON; or as ``columns.find``.
    """
    rows = []
    for place, cells in _placed(Path(source.path), faults):
        if isinstance(cells, Mapping):
            rows.append((place, cells))
        else:
            faults.add(ROW, f"{place} is {type(cells).__name__}, not a JSON object")
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    found = _named(find(names, source.columns, str(source.path)), source)
    for place, cells in rows:
        if row := labelled(cells, found, place, faults):
            yield row


def parquet_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The rows of a Parquet file, in order, places counted from 0; rows that cannot be understood are faults.

    Args:
        source: The file and its columns.
        content: Whether the bytes of images are read from disk at all.
        faults: Gets what cannot be understood.

    Raises:
        DataError: Not Parquet; or as ``columns.find``.
    """
    from pyarrow import ArrowException

    number = 0
    with parquet._open(Path(source.path)) as file:
        schema = file.schema_arrow
        found = find(schema.names, source.columns, str(source.path), parquet._holding(schema))
        found = _named(replace(found, names=_schema_names(schema, found.label)), source)
        others = tuple(column for column in (found.label, found.account) if column)
        read = parquet._read_columns(schema, replace(found.entry, languages=others), Wanted(content=content))
        try:
            for batch in file.iter_batches(parquet._BATCH, columns=read, use_threads=False):
                for cells in batch.to_pylist():
                    if row := labelled(cells, found, f"row {number}", faults):
                        yield row
                    number += 1
        except (ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
            faults.add(ROW, f"cannot be read from row {number} on: {error}")


def _placed(path: Path, faults: Faults) -> Iterator[tuple[str, object]]:
    with path.open("rb") as file:
        is_list = file.read(_HEAD).decode("utf-8-sig", "replace").lstrip()[:1] == "["
    if not is_list:
        yield from _objects(path, faults)
        return
    try:
        values = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", item=str(path)) from error
    yield from ((f"[{i}]", value) for i, value in enumerate(values))


def _named(found: Found, source: Source) -> Found:
    if source.names is None:
        return found
    return replace(found, names=label_names(Path(source.names), found.label))


def _schema_names(schema: Schema, column: str) -> tuple[str, ...]:
    """The names that Hugging Face's ``datasets`` keeps beside a column of label numbers (``ClassLabel``)."""
    try:
        kept = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = kept["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
