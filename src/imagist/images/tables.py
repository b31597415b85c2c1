"""What is in a CSV, TSV, JSONL or Parquet file: its columns, and its records a few at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from imagist.errors import ManifestError

if TYPE_CHECKING:
    from pyarrow import DataType
    from pyarrow.parquet import ParquetFile

Record = tuple[int, Mapping[str, object] | ManifestError]
"""Where it is, and its cells by column, or why it cannot be read. The place is the line in text formats, as editors
count (a header is line 1), and the row from 0 in Parquet, as pandas and pyarrow count."""

_BATCH = 16
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Table:
    """An opened table.

    Attributes:
        columns: Their names, in order.
        usable: Those whose type can hold images.
        records: Reads the table from its start, in constant memory.
        length: How many records there are; None where only reading them would tell.
    """

    columns: list[str]
    usable: list[str]
    records: Callable[[], Iterator[Record]]
    length: int | None = None


def is_table(path: Path) -> bool:
    """Whether the suffix is that of a table."""
    return path.suffix.lower() in _READERS


def open_table(path: Path) -> Table:
    """Reads what a table says of itself.

    Raises:
        ManifestError: It cannot be read.
    """
    try:
        return _READERS[path.suffix.lower()](path)
    except (OSError, csv.Error, ValueError) as error:  # ValueError: names of columns that are not UTF-8
        raise ManifestError(f"cannot be read: {error}", item=str(path)) from error


def _text(path: Path) -> TextIO:
    # "replace": a stray byte must not cost more than its own cell
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _csv(path: Path, delimiter: str = "") -> Table:
    with _text(path) as file:
        line = file.readline()
        delimiter = delimiter or max(",;\t", key=line.count)
        file.seek(0)
        header = next(csv.reader(file, delimiter=delimiter), [])
    return Table(header, header, partial(_csv_records, path, delimiter))


def _csv_records(path: Path, delimiter: str) -> Iterator[Record]:
    with _text(path) as file:
        reader = csv.reader(file, delimiter=delimiter)
        header = next(reader)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, ManifestError(f"line {line} cannot be read: {error}", item=str(path))
                continue
            if len(cells) > len(header):
                problem = f"line {line} has {len(cells)} cells under {len(header)} columns"
                yield line, ManifestError(problem, item=str(path))
            elif cells:
                yield line, dict(zip(header, cells, strict=False))


def _jsonl(path: Path) -> Table:
    first = next((cells for _, cells in _jsonl_records(path) if isinstance(cells, Mapping)), {})
    return Table(list(first), list(first), partial(_jsonl_records, path))


def _jsonl_records(path: Path) -> Iterator[Record]:
    with _text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, ManifestError(f"line {number} is not JSON: {error}", item=str(path))
                continue
            is_object = isinstance(cells, dict)
            yield number, cells if is_object else ManifestError(f"line {number} is not a JSON object", item=str(path))


def _parquet(path: Path) -> Table:
    with _open_parquet(path) as file:
        schema = file.schema_arrow
        usable = [field.name for field in schema if _holds_images(field.type)]
        return Table(schema.names, usable, partial(_parquet_records, path), file.metadata.num_rows)


def _parquet_records(path: Path) -> Iterator[Record]:
    from pyarrow import ArrowException

    number = 0
    try:
        with _open_parquet(path) as file:
            for batch in file.iter_batches(_BATCH, use_threads=False):
                for cells in batch.to_pylist():
                    yield number, cells
                    number += 1
    except (ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
        yield number, ManifestError(f"cannot be read from row {number} on: {error}", item=str(path))


def _open_parquet(path: Path) -> ParquetFile:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)  # else a whole row group is read at once
    except ArrowException as error:
        raise ManifestError(f"cannot be read: {error}", item=str(path)) from error


def _holds_images(kind: DataType) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return bool({kind.field(i).name for i in range(kind.num_fields)} & {"bytes", "path"})
    texts = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary, types.is_dictionary)
    return any(test(kind) for test in texts)


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _csv,
    ".tsv": partial(_csv, delimiter="\t"),
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
