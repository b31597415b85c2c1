"""Parquet, with images in it (the Hugging Face struct ``{bytes, path}``, or bytes alone) or named by paths.

A few rows are read at a time, and only the columns that are needed; images stay encoded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.errors import ManifestError
from imagist.images.tables.arrow_values import python_values, replaced
from imagist.images.tables.table import Table, TableRow, distinct

if TYPE_CHECKING:
    from pyarrow import DataType, RecordBatch, Schema
    from pyarrow.parquet import ParquetFile

_BATCH = 16
_BUFFER = 1 << 20


def open_parquet(path: Path) -> Table:
    """A Parquet table; rows are counted from 0.

    Raises:
        ManifestError: It is not Parquet.
        OSError: It cannot be read.
    """
    with _opened(path) as file:
        schema, length = file.schema_arrow, file.metadata.num_rows
    columns = distinct(schema.names)
    kinds = dict(zip(columns, schema.types, strict=True))
    encoded = [name for name, kind in kinds.items() if _holds_bytes(kind)]

    def rows(columns: Sequence[str] | None = None, *, content: bool = True) -> Iterator[TableRow]:
        return _rows(path, _selected(schema, columns, content=content))

    return Table(
        path,
        columns,
        rows,
        images=[name for name, kind in kinds.items() if _holds_images(kind)],
        encoded=encoded,
        label_names=_label_names(schema),
        length=length,
    )


def _rows(path: Path, selected: list[str] | None) -> Iterator[TableRow]:
    """The rows: a problem for each with text that is not UTF-8, and one for all from the first that cannot be read."""
    from pyarrow import ArrowException

    number = 0
    try:
        with _opened(path) as file:
            for batch in file.iter_batches(_BATCH, columns=selected, use_threads=False):
                for cells in _python(batch):
                    place, problem = f"row {number}", None
                    for name, value in cells.items():
                        cells[name], error = replaced(value)
                        if error and not problem:
                            problem = f"{place}: column {name!r} is not UTF-8: {error}"
                    yield TableRow(place, cells, problem)
                    number += 1
    except (ArrowException, OSError) as error:
        yield TableRow(f"row {number}", problem=f"cannot be read from row {number} on: {error}")


def _opened(path: Path) -> ParquetFile:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)  # else a whole row group is in memory at once
    except (ArrowException, OSError) as error:
        raise ManifestError(f"cannot be read as Parquet: {error}", item=str(path)) from error


def _python(batch: RecordBatch) -> list[dict[str, object]]:
    """The cells of a few rows, as `python_values` gives them."""
    columns = [python_values(column) for column in batch.columns]
    names = distinct(batch.schema.names)
    return (
        [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)] if names else [{}] * len(batch)
    )


def _selected(schema: Schema, columns: Sequence[str] | None, *, content: bool) -> list[str] | None:
    """What is read from disk: columns, or the fields in them; None is all."""
    if (columns is None and content) or len({*schema.names}) < len(schema.names):
        return None
    found = []
    for name in dict.fromkeys(schema.names if columns is None else columns):
        kind = schema.field(name).type
        if content or not _holds_bytes(kind):
            found.append(name)
        else:
            found += [f"{name}.{child}" for child in _children(kind) if child != "bytes"]
    return found


def _holds_images(kind: DataType) -> bool:
    """Whether a column can name or hold images, one a cell or several."""
    if _is_one(kind, "list", "large_list", "list_view", "large_list_view", "fixed_size_list"):
        return _holds_images(kind.value_type)
    return _holds_bytes(kind) or _holds_names(kind)


def _holds_bytes(kind: DataType) -> bool:
    return "bytes" in _children(kind) or _is_one(kind, "binary", "large_binary", "binary_view")


def _holds_names(kind: DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _holds_names(kind.value_type)
    return "path" in _children(kind) or _is_one(kind, "string", "large_string", "string_view")


def _is_one(kind: DataType, *names: str) -> bool:
    from pyarrow import types

    return any(getattr(types, f"is_{name}")(kind) for name in names)


def _children(kind: DataType) -> list[str]:
    from pyarrow import types

    return [kind.field(i).name for i in range(kind.num_fields)] if types.is_struct(kind) else []


def _label_names(schema: Schema) -> dict[str, tuple[str, ...]]:
    """The names that Hugging Face's ``datasets`` keeps for columns of label numbers (``ClassLabel``)."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        kept = {column: of.get("names") for column, of in features.items() if isinstance(of, dict)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {column: tuple(map(str, names)) for column, names in kept.items() if isinstance(names, list)}
