"""Tables of labelled images: CSV and TSV, JSON objects in a list or one a line, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.jsonlines import json_document, json_lines, keys, members, objects
from imagist.datasets.captions.parquet import holding, open_parquet, parquet_rows
from imagist.datasets.captions.sniffing import head_of, text_of
from imagist.datasets.labels.columns import Found, find, labelled_rows
from imagist.datasets.labels.example import Labelled
from imagist.datasets.labels.naming import label_names
from imagist.datasets.labels.separated import separated_rows
from imagist.datasets.labels.source import Source

if TYPE_CHECKING:
    from pyarrow import Schema


def separated_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The rows of a CSV or TSV, in order; rows that cannot be understood are faults.

    Raises:
        DataError: As ``columns.find``.
    """
    header, rows = separated_rows(Path(source.path), faults)
    yield from labelled_rows(rows, _find(header, source), faults)


def json_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The objects of a JSON list, or of a JSONL file, in order; what is no object is a fault.

    Raises:
        DataError: A list that is no JSON; or as ``columns.find``.
    """
    path = Path(source.path)
    is_list = text_of(head_of(path)).startswith("[")
    rows = objects(members(json_document(path)) if is_list else json_lines(path, faults), faults)
    yield from labelled_rows(rows, _find(keys(rows), source), faults)


def parquet_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The rows of a Parquet file, in order, places counted from 0; rows that cannot be understood are faults.

    Args:
        source: The file and its columns.
        content: Whether the bytes of images are read from disk at all.
        faults: Gets what cannot be understood.

    Raises:
        DataError: Not Parquet; or as ``columns.find``.
    """
    with open_parquet(Path(source.path)) as file:
        found = _find(file.schema_arrow.names, source, file.schema_arrow)
        others = [column for column in (found.label, found.account) if column]
        rows = parquet_rows(file, found.entry, faults, content=content, others=others)
        yield from labelled_rows(rows, found, faults)


def _find(names: Sequence[str], source: Source, schema: Schema | None = None) -> Found:
    found = find(names, source.columns, str(source.path), () if schema is None else holding(schema))
    if source.names is not None:
        return replace(found, names=label_names(Path(source.names), found.label))
    return found if schema is None else replace(found, names=_schema_names(schema, found.label))


def _schema_names(schema: Schema, column: str) -> tuple[str, ...]:
    """The names that Hugging Face's ``datasets`` keeps beside a column of label numbers (``ClassLabel``)."""
    try:
        kept = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = kept["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
