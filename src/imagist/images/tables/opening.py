"""Which format a table is in, by its content first and its suffix second."""

from __future__ import annotations

import json
from pathlib import Path

from imagist.errors import ManifestError
from imagist.images.stored import AnyPath
from imagist.images.tables.objects import open_json_lines, read_document, table_of_objects
from imagist.images.tables.parquet import open_parquet
from imagist.images.tables.separated import open_separated
from imagist.images.tables.sheets import SUFFIXES as _SHEETS
from imagist.images.tables.sheets import is_sheet, open_sheet
from imagist.images.tables.table import Table
from imagist.images.tables.text import decoded, head_of

_JSON_LINES = (".jsonl", ".ndjson")
_SUFFIXES = (".csv", ".tsv", *_JSON_LINES, ".parquet", *_SHEETS)
_PARQUET = b"PAR1"


def is_table(path: AnyPath) -> bool:
    """Whether the suffix is that of a table, ``.gz`` after it aside.

    A ``.json`` is one where it holds a list, or an object on each line.

    A ``.json`` of one object, as tools that download posts write next to each image, is none.
    """
    suffix = _suffix(path)
    if suffix != ".json":
        return suffix in _SUFFIXES
    try:
        head = head_of(path)
    except (OSError, ValueError):
        return False
    return decoded(head).startswith("[") or is_json_lines(path, head)


def open_table(path: AnyPath) -> Table:
    """Opens a table and finds its columns, whatever its suffix.

    A file that begins with ``[`` or ``{`` is JSON, and JSON lines where its first line is a whole object and others
    follow; what is neither that, nor Parquet, nor an Excel workbook, is CSV or TSV.

    Raises:
        ManifestError: The table, or its header, cannot be read.
        MissingExtra: The library for the format is not installed.
    """
    try:
        head = head_of(path)
        if is_sheet(path, head):
            return open_sheet(path)
        if is_parquet(path, head):
            return open_parquet(path)
        if is_json_lines(path, head):
            return open_json_lines(path)
        if is_json(head):
            document = read_document(path, "mend it; where each line is an object, name it .jsonl")
            return table_of_objects(path, document if isinstance(document, list) else [document])
        return open_separated(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name; names of columns that are not UTF-8
        raise ManifestError(f"cannot be read: {error}", item=str(path)) from error


def is_parquet(path: AnyPath, head: bytes) -> bool:
    """Whether a file is Parquet, by its first bytes, or by its suffix."""
    return head.startswith(_PARQUET) or path.suffix.lower() == ".parquet"


def is_json_lines(path: AnyPath, head: bytes) -> bool:
    """Whether a file is JSON lines, by its suffix, or by several lines of which the first is an object.

    One with the suffix that begins with a part of a list is the list.
    """
    line, _, rest = decoded(head).partition("\n")
    is_named = _suffix(path) in _JSON_LINES
    if is_named and not line.startswith("["):
        return True
    try:
        return isinstance(json.loads(line), dict | list) and (is_named or (bool(rest.strip()) and line[0] == "{"))
    except (ValueError, RecursionError):
        return False


def is_json(head: bytes) -> bool:
    """Whether a file begins like a list or an object of JSON."""
    return decoded(head)[:1] in {"[", "{"}


def _suffix(path: AnyPath) -> str:
    """The suffix in lower case, of ``posts.csv.gz`` the one of what is packed."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
