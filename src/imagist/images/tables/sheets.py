"""The first sheet with cells of an Excel workbook (``.xlsx``), read row by row.

The first row that is not blank names the columns; blank rows below it are left out. Formulas have the value that was
saved with them. Rows are numbered as the spreadsheet numbers them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from imagist.errors import ManifestError, MissingExtra
from imagist.images import first_bytes
from imagist.images.stored import AnyPath
from imagist.images.tables.table import Table, TableRow, distinct

SUFFIXES = (".xlsx", ".xlsm")
MAX_TEXTS = 1 << 30  # bytes of the texts of all cells, which openpyxl holds in memory
_WORKBOOK = "xl/workbook.xml"
_TEXTS = "xl/sharedStrings.xml"
_REMEDY = "save it as CSV; one that is protected by a password, without it"


def is_sheet(path: AnyPath, head: bytes) -> bool:
    """Whether a file is an Excel workbook, by its suffix, or because it is a ZIP archive with a workbook in it.

    Args:
        path: The file.
        head: Its first bytes.

    Raises:
        OSError: It cannot be read.
    """
    if path.suffix.lower() in SUFFIXES or first_bytes.kind_of(head) != first_bytes.ZIP:
        return path.suffix.lower() in SUFFIXES
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _WORKBOOK in archive.namelist()
    except zipfile.BadZipFile:
        return False


def open_sheet(path: AnyPath) -> Table:
    """A table of the first sheet that has cells.

    Raises:
        ManifestError: It is no workbook, it is damaged or protected, or it has no cells.
        MissingExtra: openpyxl is not installed.
        OSError: It cannot be read.
    """
    with _sheet(path) as filled:
        header = next(filled, None)
    if header is None:
        raise ManifestError("has no cells", item=str(path), remedy="name the columns in its first row")
    number, given = header
    names = distinct([_letters(place) if name is None else str(name).strip() for place, name in enumerate(given)])

    def rows(columns: Sequence[str] | None = None, *, content: bool = True) -> Iterator[TableRow]:
        return _rows(path, names, number)

    return Table(path, names, rows, images=names)


def _rows(path: AnyPath, columns: list[str], header: int) -> Iterator[TableRow]:
    """The rows below the header; one problem for all from the first that cannot be read."""
    number = header
    try:
        with _sheet(path) as rows:
            next(rows)
            for number, values in rows:
                names = [*columns, *map(_letters, range(len(columns), len(values)))]
                yield TableRow(f"row {number}", dict(zip(names, values, strict=False)))
    except ManifestError as error:
        yield TableRow(f"row {number + 1}", problem=f"cannot be read from row {number + 1} on: {error.message}")


def _letters(place: int) -> str:
    """The name of a column without one, such as ``column F``."""
    from openpyxl.utils import get_column_letter

    return f"column {get_column_letter(place + 1)}"


@contextmanager
def _sheet(path: AnyPath) -> Iterator[Iterator[tuple[int, list[Any]]]]:
    """The rows that are not blank, each with its number and its values up to the last that is not empty."""
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError as error:
        remedy = "pip install 'imagist[xlsx]', or save it as CSV"
        raise MissingExtra("reading .xlsx needs openpyxl", item=str(path), remedy=remedy) from error
    path.stat()  # an OSError says more than what openpyxl makes of it
    with path.open("rb") as file:
        with _as_manifest_errors(path):
            _check_size(path)
            book = load_workbook(file, read_only=True, data_only=True)
        try:
            yield _filled(book, path)
        finally:
            book.close()


def _filled(book: Any, path: AnyPath) -> Iterator[tuple[int, list[Any]]]:
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # those that other programs write are often wrong
        found = False
        with _as_manifest_errors(path):
            for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
                values = list(cells)
                while values and values[-1] in (None, ""):
                    values.pop()
                if values:
                    found = True
                    yield number, values
        if found:
            return


@contextmanager
def _as_manifest_errors(path: AnyPath) -> Iterator[None]:
    """Turns what openpyxl and its XML parser raise for a damaged file into one error."""
    try:
        yield
    except ManifestError:
        raise
    except Exception as error:  # openpyxl raises KeyError, TypeError, ParseError and others
        message = f"cannot be read as .xlsx: {type(error).__name__}: {error}"
        raise ManifestError(message, item=str(path), remedy=_REMEDY) from error


def _check_size(path: AnyPath) -> None:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist() if member.filename.endswith(_TEXTS))
    if size > MAX_TEXTS:
        raise ManifestError(f"has {size / 1e9:.1f} GB of text, too much to read", item=str(path), remedy=_REMEDY)
