"""Parquet with images in it (the Hugging Face struct ``{bytes, path}``, or bytes alone) or beside it.

Read a row group at a time, only the columns that are needed; images stay encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.datasets.captions.columns import Columns, choose
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW
from imagist.datasets.captions.record import Entry, Wanted
from imagist.datasets.captions.rows import Placed, row_entries
from imagist.errors import DataError

if TYPE_CHECKING:
    from pyarrow import DataType, Schema
    from pyarrow.parquet import ParquetFile

_BATCH = 64
_BUFFER = 1 << 20


def parquet_entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The rows, in order, places counted from 0; rows that cannot be understood are faults.

    Args:
        path: The file.
        wanted: Besides captions; without ``content`` the bytes of images are not read from disk at all.
        faults: Gets what cannot be understood.

    Raises:
        DataError: Not Parquet, or without a column of images, captions or a language asked for.
    """
    with open_parquet(path) as file:
        columns = choose(file.schema_arrow.names, wanted.languages, str(path), holding(file.schema_arrow))
        rows = parquet_rows(file, columns, faults, content=wanted.content)
        yield from row_entries(rows, columns, faults)


def parquet_rows(
    file: ParquetFile, columns: Columns, faults: Faults, *, content: bool = True, others: Sequence[str] = ()
) -> Iterator[Placed]:
    """The rows, in order, places counted from 0; one fault for all from the first on that cannot be read.

    Args:
        file: From ``open_parquet``.
        columns: That are read.
        faults: Gets what cannot be read.
        content: Whether the bytes of images are read.
        others: Further columns that are read.
    """
    from pyarrow import ArrowException

    number = 0
    read = _read_columns(file.schema_arrow, columns, content, others)
    try:
        for batch in file.iter_batches(_BATCH, columns=read, use_threads=False):
            for cells in batch.to_pylist():
                yield f"row {number}", cells
                number += 1
    except (ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
        faults.add(ROW, f"cannot be read from row {number} on: {error}")


def open_parquet(path: Path) -> ParquetFile:
    """A file to read a little at a time.

    Raises:
        DataError: Not Parquet.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)  # else a whole row group is in memory at once
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"not Parquet that can be read: {error}", item=str(path)) from error


def holding(schema: Schema) -> list[str]:
    """The columns that can hold encoded images."""
    from pyarrow import types

    bare = [field.name for field in schema if types.is_binary(field.type) or types.is_large_binary(field.type)]
    return bare + [field.name for field in schema if "bytes" in _children(field.type)]


def _children(kind: DataType) -> set[str]:
    from pyarrow import types

    return {kind.field(i).name for i in range(kind.num_fields)} if types.is_struct(kind) else set()


def _read_columns(schema: Schema, columns: Columns, content: bool, others: Sequence[str]) -> list[str]:
    children = _children(schema.field(columns.image).type)
    keys = ("bytes", "path") if content else ("path",)
    if children:
        image = [f"{columns.image}.{key}" for key in keys if key in children]
    else:
        image = [columns.image] if content or not columns.held else []
    names = (columns.name, columns.split, *columns.captions, *columns.languages, *others)
    return list(dict.fromkeys([*image, *(name for name in names if name)]))
