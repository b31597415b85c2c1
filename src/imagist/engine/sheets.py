"""Writes a table as an Excel workbook (``.xlsx``), row by row.

Text stays text: what begins with ``=``, ``+``, ``-`` or ``@`` never becomes a formula. A sheet holds 1,048,576 rows and
a cell 32,767 characters; further rows go to further sheets, and longer texts end in an ellipsis.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from imagist.engine.values import cell
from imagist.errors import MissingExtra

MAX_ROWS = 1 << 20  # of a sheet, the header included
MAX_TEXT = 32_767  # characters of a cell
EXACT = 10**15  # spreadsheets keep 15 digits of a number
_EPOCH = dt.date(1900, 3, 1)  # spreadsheets count days from about here, and disagree before


def check_openpyxl() -> None:
    """Makes sure that workbooks can be written.

    Raises:
        MissingExtra: openpyxl is not installed.
    """
    try:
        import openpyxl  # noqa: F401
    except ModuleNotFoundError as error:
        remedy = "pip install 'imagist[xlsx]', or write .csv"
        raise MissingExtra("writing .xlsx needs openpyxl", remedy=remedy) from error


def write_workbook(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes rows under a header, in constant memory.

    Args:
        path: The workbook.
        header: Names of the columns.
        rows: Values of Python, each row as long as the header.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet: Any = None
    filled = MAX_ROWS
    for row in rows:
        if filled == MAX_ROWS:
            sheet, filled = _sheet(book, header), 1
        sheet.append([_cell(sheet, value) for value in row])
        filled += 1
    if sheet is None:
        _sheet(book, header)
    with path.open("wb") as file:
        book.save(file)


def _sheet(book: Any, header: Sequence[str]) -> Any:
    number = len(book.worksheets) + 1
    sheet = book.create_sheet("results" if number == 1 else f"results {number}")
    sheet.freeze_panes = "B2"
    sheet.append([_cell(sheet, name) for name in header])
    return sheet


def _cell(sheet: Any, value: object) -> object:
    """A value as spreadsheets hold it: numbers, truth values and dates as they are, all else as text."""
    match value:
        case None | bool():
            return value
        case float() | int() if abs(value) < EXACT:  # not NaN, not infinite
            return value
        case dt.datetime() if value.tzinfo is None and value.date() >= _EPOCH:
            return value
        case dt.date() if not isinstance(value, dt.datetime) and value >= _EPOCH:
            return value
        case Decimal() if value.is_finite() and abs(value) < EXACT:
            return float(value)
        case float() if value != value:
            return None
        case _:
            text = cell(value)
            return _text(sheet, text) if text else None


def _text(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    text = ILLEGAL_CHARACTERS_RE.sub("\ufffd", text)
    found = WriteOnlyCell(sheet, text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "\u2026")
    found.data_type = "s"
    if text[:1] in ("=", "+", "-", "@"):
        found.quotePrefix = True  # stays text when somebody edits it
    return found
