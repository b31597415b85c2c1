"""Parquet with images in it (the Hugging Face struct ``{bytes, path}``, or bytes alone) or beside it.

Read a row group at a time, only the columns that are needed; images stay encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.captioned.columns import Columns, choose, row_entry
from imagist.captioned.faults import Faults
from imagist.captioned.lines import ROW
from imagist.captioned.record import Entry, Wanted
from imagist.errors import DataError

if TYPE_CHECKING:
    from pyarrow import DataType, Schema
    from pyarrow.parquet import ParquetFile

MAGIC = b"PAR1"
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
    from pyarrow import ArrowException

    item, number = str(path), 0
    with _open(path) as file:
        schema = file.schema_arrow
        columns = choose(schema.names, wanted.languages, item, _holding(schema))
        read = _read_columns(schema, columns, wanted)
        try:
            for batch in file.iter_batches(_BATCH, columns=read, use_threads=False):
                for cells in batch.to_pylist():
                    if entry := row_entry(cells, columns, f"row {number}", faults):
                        yield entry
                    number += 1
        except (ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
            faults.add(ROW, f"cannot be read from row {number} on: {error}")


def _open(path: Path) -> ParquetFile:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)  # else a whole row group is in memory at once
    except (ArrowException, OSError, ValueError) as error:
        raise DataError(f"not Parquet that can be read: {error}", item=str(path)) from error


def _holding(schema: Schema) -> list[str]:
    from pyarrow import types

    bare = [field.name for field in schema if types.is_binary(field.type) or types.is_large_binary(field.type)]
    return bare + [field.name for field in schema if "bytes" in _children(field.type)]


def _children(kind: DataType) -> set[str]:
    from pyarrow import types

    return {kind.field(i).name for i in range(kind.num_fields)} if types.is_struct(kind) else set()


def _read_columns(schema: Schema, columns: Columns, wanted: Wanted) -> list[str]:
    children = _children(schema.field(columns.image).type)
    keys = ("bytes", "path") if wanted.content else ("path",)
    if children:
        image = [f"{columns.image}.{key}" for key in keys if key in children]
    else:
        image = [columns.image] if wanted.content or not columns.held else []
    others = (columns.name, columns.split, *columns.captions, *columns.languages)
    return list(dict.fromkeys([*image, *(name for name in others if name)]))
