"""From the journal to the table: CSV, JSON lines or Parquet, in constant memory, whole or not at all.

The fields of the records come first, then the carried columns. CSV follows RFC 4180 in UTF-8: mappings and lists are
JSON, null is an empty cell, bytes are base64. In JSON lines, null also stands for NaN and infinity, which JSON lacks.
Parquet keeps the types of the carried columns: a column has the one type that all its values share, or is text.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.engine.columns import carried_names
from imagist.engine.journal import Record
from imagist.engine.types import carried_types
from imagist.engine.values import cell, plain
from imagist.errors import OutputError
from imagist.records.flat import Kind
from imagist.storage import atomic_write, check_folder

if TYPE_CHECKING:
    import pyarrow as pa

Chunks = Iterable[list[Record]]
"""Rows in lists of bounded size; read more than once, so not an iterator."""


def check_output(path: Path) -> None:
    """Makes sure that a table can be written, before anything starts.

    Raises:
        OutputError: The suffix is not of a known format, or the folder is missing or not writable.
    """
    if path.suffix.lower() not in _WRITERS:
        raise OutputError("has no suffix of a table format", item=str(path), remedy=f"end it in {', '.join(_WRITERS)}")
    check_folder(path)


def write(path: Path, chunks: Chunks, columns: Mapping[str, Kind]) -> None:
    """Writes all rows, in the format of the suffix.

    Args:
        path: The table; replaced where it exists.
        chunks: The rows, in order.
        columns: The columns of the records, with their kinds.

    Raises:
        OutputError: The table cannot be written, for example because the disk is full; an older file is unchanged.
    """
    with atomic_write(path) as scratch:
        _WRITERS[path.suffix.lower()](scratch, chunks, columns)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())  # the journal is deleted next: a power cut must not take both


def _carried(chunks: Chunks, columns: Mapping[str, Kind]) -> dict[str, str]:
    """All carried columns, in order of first appearance, with their names in the output."""
    seen = dict.fromkeys(name for chunk in chunks for _, carried in chunk for name in carried)
    return carried_names(seen, columns)


def _write_csv(path: Path, chunks: Chunks, columns: Mapping[str, Kind]) -> None:
    names = _carried(chunks, columns)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*columns, *names.values()])
        for chunk in chunks:
            for own, carried in chunk:
                table.writerow([cell(own.get(n)) for n in columns] + [cell(carried.get(n)) for n in names])


def _write_jsonl(path: Path, chunks: Chunks, columns: Mapping[str, Kind]) -> None:
    names = _carried(chunks, columns)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for chunk in chunks:
            for own, carried in chunk:
                row = {n: own.get(n) for n in columns} | {new: carried.get(n) for n, new in names.items()}
                file.write(json.dumps(plain(row), ensure_ascii=False) + "\n")


def _write_parquet(path: Path, chunks: Chunks, columns: Mapping[str, Kind]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = _carried(chunks, columns)
    types = carried_types(chunks, names)
    own = {"text": pa.string(), "number": pa.float64(), "probabilities": pa.map_(pa.string(), pa.float64())}
    sentence = [("text", pa.string()), ("logprob", pa.float64())]
    own["hypotheses"] = pa.list_(pa.struct(sentence))
    own["sentences"] = pa.list_(pa.struct([*sentence, ("box", pa.list_(pa.float64()))]))
    schema = pa.schema([(n, own[kind]) for n, kind in columns.items()] + [(names[n], types[n]) for n in names])
    with pq.ParquetWriter(path, schema) as table:
        for chunk in chunks:
            arrays = [_own_array([row.get(n) for row, _ in chunk], own[kind]) for n, kind in columns.items()]
            arrays += [_carried_array([row.get(n) for _, row in chunk], types[n]) for n in names]
            table.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _own_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array([list(v.items()) if isinstance(v, dict) else v for v in values], kind)


def _carried_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array(map(cell, values) if kind == pa.string() else values, kind)


_WRITERS: dict[str, Callable[[Path, Chunks, Mapping[str, Kind]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
