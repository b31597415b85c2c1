"""Parquet, with images in it (the Hugging Face struct ``{bytes, path}``, or bytes alone) or named by paths.

A few rows are read at a time, and only the columns that are needed; images stay encoded. A damaged row group costs its
own rows alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from imagist.errors import ManifestError
from imagist.images.stored import AnyPath, StoredFile
from imagist.images.tables.arrow_values import python_values, replaced
from imagist.images.tables.table import Table, TableRow, distinct

if TYPE_CHECKING:
    from pyarrow import DataType, RecordBatch, Schema
    from pyarrow.parquet import ParquetFile

_BATCH = 16
_BUFFER = 1 << 20
_MOST_LOST = 1 << 20  # rows of a damaged row group that come out one by one though nothing is left of them


def open_parquet(path: AnyPath) -> Table:
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

    def between(begin: int, end: int) -> Iterator[TableRow]:
        return _rows(path, None, begin, end)

    return Table(
        path,
        columns,
        rows,
        images=[name for name, kind in kinds.items() if _holds_images(kind)],
        encoded=encoded,
        label_names=_label_names(schema),
        length=length,
        between=between,
    )


def _rows(path: AnyPath, selected: list[str] | None, begin: int = 0, end: int | None = None) -> Iterator[TableRow]:
    """The rows from one to before another: a problem for each with text that is not UTF-8 or in a damaged row group."""
    with _opened(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            numbers = range(start, start + file.metadata.row_group(group).num_rows)
            start = numbers.stop
            if begin < numbers.stop and (end is None or end > numbers.start):
                found = _rows_of_group(file, group, numbers, selected)
                last = None if end is None else end - numbers.start
                yield from islice(found, max(0, begin - numbers.start), last)


def _rows_of_group(file: ParquetFile, group: int, numbers: range, selected: list[str] | None) -> Iterator[TableRow]:
    """The rows of a row group, which have these numbers in the table."""
    done, why = 0, "it ends early"
    try:
        for cells in _cells(file, group, selected):
            yield _row(f"row {numbers[done]}", cells)
            done += 1
    except _damages() as error:
        why = "".join(filter(str.isprintable, " ".join(str(error).split())))
    if done < len(numbers):
        damage = f"row group {group} (rows {numbers[0]} to {numbers[-1]}) is damaged: {why}"
        parts = [islice(_undamaged(file, group, column), done, None) for column in _alone(file.schema_arrow, selected)]
        yield from _lost(numbers[done:], damage, parts)


def _row(place: str, cells: dict[str, object]) -> TableRow:
    problem = None
    for name, value in cells.items():
        cells[name], error = replaced(value)
        if error and not problem:
            problem = f"{place}: column {name!r} is not UTF-8: {error}"
    return TableRow(place, cells, problem)


def _lost(numbers: range, damage: str, parts: Sequence[Iterator[dict[str, object]]]) -> Iterator[TableRow]:
    """Rows that cannot be used, with what their columns still hold.

    Args:
        numbers: Of the rows.
        damage: What is the matter.
        parts: The cells of the rows, some columns each, as far as they can be read.
    """
    for number in numbers:
        cells: dict[str, object] = {}
        for part in parts:
            for name, value in next(part, {}).items():
                known = cells.get(name)
                cells[name] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
        if not cells and number - numbers.start >= _MOST_LOST:  # how many there are is part of what is damaged
            yield TableRow(f"row {number}", problem=f"rows {number} to {numbers[-1]}: {damage}")
            return
        place = f"row {number}"
        yield _row(place, cells)._replace(problem=f"{place}: {damage}")


def _undamaged(file: ParquetFile, group: int, columns: list[str]) -> Iterator[dict[str, object]]:
    """The cells of columns of a row group, up to where they are damaged."""
    with suppress(*_damages()):
        yield from _cells(file, group, columns)


def _cells(file: ParquetFile, group: int, selected: list[str] | None) -> Iterator[dict[str, object]]:
    """The cells of each row of a row group; raises one of `_damages` where they cannot be read."""
    for batch in file.iter_batches(_BATCH, row_groups=[group], columns=selected, use_threads=False):
        yield from _python(batch)


def _damages() -> tuple[type[Exception], ...]:
    from pyarrow import ArrowException

    return ArrowException, OSError


def _alone(schema: Schema, selected: list[str] | None) -> list[list[str]]:
    """The columns that are read, and the fields of structs, each alone; none where names repeat."""
    if len({*schema.names}) < len(schema.names):
        return []
    return [
        [f"{name}.{child}"] if child else [name]
        for name in (schema.names if selected is None else selected)
        for child in ((_children(schema.field(name).type) if name in schema.names else []) or [""])
    ]


def _opened(path: AnyPath) -> ParquetFile:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        source = path.native() if isinstance(path, StoredFile) else path
        return ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER)  # else a whole row group is in memory at once
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
