"""From the journal to the table: CSV, JSON lines, Parquet or .xlsx, in constant memory, whole or not at all.

The fields of the records come first, then the carried columns. CSV follows RFC 4180 in UTF-8: mappings and lists are
JSON, null is an empty cell, bytes are base64; .xlsx is the same with typed numbers and dates. In JSON lines, null also
stands for NaN and infinity, which JSON lacks. Parquet keeps the types of the carried columns: a column has the one type
that all its values share, or is text.

The layout `SIMPLE` is for people: the source, the carried columns, then the results without JSON, numbers rounded. In
its CSV, text that a spreadsheet would take for a formula follows an apostrophe. The layout `FULL` keeps every text.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.engine.columns import carried_names
from imagist.engine.journal import Record
from imagist.engine.sheets import check_openpyxl, write_workbook
from imagist.engine.types import carried_types
from imagist.engine.values import cell, plain
from imagist.errors import OutputError, UsageError
from imagist.records.flat import Kind
from imagist.storage import atomic_write, check_folder

if TYPE_CHECKING:
    import pyarrow as pa

Chunks = Iterable[list[Record]]
"""Rows in lists of bounded size; read more than once, so not an iterator."""


FULL, SIMPLE = "full", "simple"
_FOR_PEOPLE = (".csv", ".xlsx")  # formats that the layout `SIMPLE` is for
DIGITS = 3  # of numbers in the layout `SIMPLE`
_FORMULA = re.compile(
    r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]"
)  # how a cell begins that is run: the list of OWASP
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)*|[.,]\d+)(e[+-]?\d+)?%?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Style:
    """How a table is laid out.

    Attributes:
        layout: `FULL` has every field; `SIMPLE` has those that are text or a number, after the carried columns.
        bom: Whether CSV begins with a byte order mark, by which Excel knows that it is UTF-8.
    """

    layout: str = FULL
    bom: bool = False


PLAIN = Style()


def check_output(path: Path, style: Style = PLAIN) -> None:
    """Makes sure that a table can be written, before anything starts.

    Raises:
        OutputError: The suffix is not of a known format, or the folder is missing or not writable.
        UsageError: A style that the format does not have.
        MissingExtra: The library for the format is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise OutputError("has no suffix of a table format", item=str(path), remedy=f"end it in {', '.join(_WRITERS)}")
    if style.layout == SIMPLE and suffix not in _FOR_PEOPLE:
        raise UsageError(
            "simple columns are for people", item=str(path), remedy=f"end it in {' or '.join(_FOR_PEOPLE)}"
        )
    if style.bom and suffix != ".csv":
        raise UsageError("only CSV has a byte order mark", item=str(path), remedy="end it in .csv, or leave --bom out")
    if suffix == ".xlsx":
        check_openpyxl()
    check_folder(path)


def write(path: Path, chunks: Chunks, columns: Mapping[str, Kind], style: Style = PLAIN) -> None:
    """Writes all rows, in the format of the suffix.

    Args:
        path: The table; replaced where it exists.
        chunks: The rows, in order.
        columns: The columns of the records, with their kinds.
        style: How it is laid out.

    Raises:
        OutputError: The table cannot be written, for example because the disk is full; an older file is unchanged.
    """
    with atomic_write(path) as scratch:
        _WRITERS[path.suffix.lower()](scratch, chunks, columns, style)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())  # the journal is deleted next: a power cut must not take both


def carried_columns(chunks: Chunks, columns: Mapping[str, Kind]) -> dict[str, str]:
    """All carried columns, in order of first appearance, with their names in the output."""
    seen = dict.fromkeys(name for chunk in chunks for _, carried in chunk for name in carried)
    return carried_names(seen, columns)


def _laid_out(chunks: Chunks, columns: Mapping[str, Kind], style: Style) -> tuple[list[str], Iterator[list[object]]]:
    """The header, and the values of each row below it."""
    names = carried_columns(chunks, columns)
    rows = (row for chunk in chunks for row in chunk)
    if style.layout == FULL:
        values = ([own.get(n) for n in columns] + [carried.get(n) for n in names] for own, carried in rows)
        return [*columns, *names.values()], values
    results = [name for name, kind in columns.items() if kind in ("text", "number") and name != "source"]
    readable = (
        [own.get("source"), *(_readable(carried.get(n)) for n in names), *(_rounded(own.get(n)) for n in results)]
        for own, carried in rows
    )
    return ["source", *names.values(), *results], readable


def _rounded(value: object) -> object:
    return round(value, DIGITS) if isinstance(value, float) else value


def _readable(value: object) -> object:
    """A carried value without JSON."""
    match value:
        case bytes():
            return f"{len(value):,} bytes"
        case list():
            return "; ".join(str(cell(_readable(item)) or "") for item in value)
        case dict():
            return "; ".join(f"{key}: {cell(_readable(item)) or ''}" for key, item in value.items())
        case _:
            return value


def _harmless(value: object) -> str | None:
    """The text of a cell, after an apostrophe where a spreadsheet would run it; numbers and dashes stay as they are."""
    text = cell(value)
    if not text or not _FORMULA.match(text) or _NUMBER.fullmatch(text) or not text.strip("-+ "):
        return text
    return f"'{text}"


def _write_csv(path: Path, chunks: Chunks, columns: Mapping[str, Kind], style: Style) -> None:
    header, rows = _laid_out(chunks, columns, style)
    with path.open("w", encoding="utf-8-sig" if style.bom else "utf-8", newline="") as file:
        table = csv.writer(file)
        text = _harmless if style.layout == SIMPLE else cell
        table.writerow(map(text, header))
        table.writerows([text(value) for value in row] for row in rows)


def _write_xlsx(path: Path, chunks: Chunks, columns: Mapping[str, Kind], style: Style) -> None:
    write_workbook(path, *_laid_out(chunks, columns, style))


def _write_jsonl(path: Path, chunks: Chunks, columns: Mapping[str, Kind], _: Style) -> None:
    names = carried_columns(chunks, columns)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for chunk in chunks:
            for own, carried in chunk:
                row = {n: own.get(n) for n in columns} | {new: carried.get(n) for n, new in names.items()}
                file.write(json.dumps(plain(row), ensure_ascii=False) + "\n")


def _write_parquet(path: Path, chunks: Chunks, columns: Mapping[str, Kind], _: Style) -> None:
    import pyarrow.parquet as pq

    names = carried_columns(chunks, columns)
    schema = arrow_schema(columns, names, carried_types(chunks, names))
    with pq.ParquetWriter(path, schema) as table:
        for chunk in chunks:
            table.write_table(arrow_table(chunk, schema, columns, names))


def arrow_schema(columns: Mapping[str, Kind], names: Mapping[str, str], types: Mapping[str, pa.DataType]) -> pa.Schema:
    """The schema of a Parquet table of records.

    Args:
        columns: The columns of the records, with their kinds.
        names: Carried columns, with their names in the table.
        types: The type of each carried column.
    """
    import pyarrow as pa

    own = {"text": pa.string(), "number": pa.float64(), "probabilities": pa.map_(pa.string(), pa.float64())}
    sentence = [("text", pa.string()), ("logprob", pa.float64())]
    own["hypotheses"] = pa.list_(pa.struct(sentence))
    own["sentences"] = pa.list_(pa.struct([*sentence, ("box", pa.list_(pa.float64()))]))
    numbers = [(name, pa.float64()) for name in ("similarity", "gain")]
    own["phrases"] = pa.list_(pa.struct([("text", pa.string()), *numbers, ("role", pa.string())]))
    return pa.schema([(n, own[kind]) for n, kind in columns.items()] + [(names[n], types[n]) for n in names])


def arrow_table(rows: list[Record], schema: pa.Schema, columns: Iterable[str], names: Mapping[str, str]) -> pa.Table:
    """Rows as a table of a schema that `arrow_schema` made of the same columns and names."""
    import pyarrow as pa

    arrays = [_own_array([own.get(n) for own, _ in rows], schema.field(n).type) for n in columns]
    arrays += [_carried_array([row.get(n) for _, row in rows], schema.field(names[n]).type) for n in names]
    return pa.Table.from_arrays(arrays, schema=schema)


def _own_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array([list(v.items()) if isinstance(v, dict) else v for v in values], kind)


def _carried_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array(map(cell, values) if kind == pa.string() else values, kind)


_WRITERS: dict[str, Callable[[Path, Chunks, Mapping[str, Kind], Style], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
}
