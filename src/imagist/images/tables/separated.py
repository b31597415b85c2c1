"""CSV and TSV with a header.

Values are quoted as in RFC 4180. Tab-separated files come in two kinds: quoted like CSV, as pandas writes them, and
with bare quotes in their cells, as tweets have them. At the first cell that begins with a quote and is not quoted like
that, a file is of the second kind if each line from there on has a cell for each column.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from imagist.errors import ManifestError
from imagist.images.stored import AnyPath
from imagist.images.tables.table import RAW, Table, TableRow, distinct
from imagist.images.tables.text import Line, lines

DELIMITERS = ",;\t"


def open_separated(path: AnyPath) -> Table:
    """A table of separated values; the header has most of its delimiter, of comma, semicolon and tab.

    Raises:
        ManifestError: The header cannot be read.
        OSError: The file cannot be read.
    """
    first = next((line for line in lines(path) if line.text.strip()), Line(1, "", None))
    if first.problem:
        remedy = "save it as UTF-8" if "UTF-8" in first.problem else None
        raise ManifestError(first.problem, item=str(path), remedy=remedy)
    likely = "\t,;" if ".tsv" in path.name.lower() else DELIMITERS
    delimiter = max(likely, key=first.text.count)
    try:
        header = distinct(next(csv.reader([first.text], delimiter=delimiter), []))
    except csv.Error as error:
        raise ManifestError(f"line 1 cannot be read: {error}", item=str(path), remedy="give it a header") from error

    def rows(columns: Sequence[str] | None = None, *, content: bool = True) -> Iterator[TableRow]:
        return _Rows(path, header, delimiter, first.number).read()

    return Table(path, header, rows, images=header)


class _Rows:
    """Reads the rows below a header, which is in the line of a number."""

    def __init__(self, path: AnyPath, header: list[str], delimiter: str, number: int) -> None:
        self.path, self.header, self.delimiter = path, header, delimiter
        self.coming = islice(lines(path), number, None)
        self.returned: deque[Line] = deque()  # lines that a failed record took in
        self.taken: list[Line] = []  # lines of the present record
        self.bare: bool | None = None if delimiter == "\t" else False  # None: not decided yet

    def read(self) -> Iterator[TableRow]:
        while (line := self._next()) is not None:
            text = line.text.rstrip("\r\n")
            if not text:
                continue
            if '"' not in text and "\r" not in text:
                yield self._row([line], text.split(self.delimiter))
            elif self.delimiter == "\t" and (cells := self._bare_cells(line)) is not None:
                yield self._row([line], cells)
            else:
                yield self._record(line)

    def _next(self) -> Line | None:
        return self.returned.popleft() if self.returned else next(self.coming, None)

    def _record(self, first: Line) -> TableRow:
        """The record that begins in a line that is not blank.

        A record that cannot be read costs its first line alone: an open quote must not swallow the lines below.
        """
        self.taken = [first]
        try:
            with _room_for(first.text):
                cells = next(csv.reader(self._continued(first), delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            self.returned.extendleft(reversed(self.taken[1:]))
            problem = f"line {first.number} cannot be read: {error}"
            return TableRow(f"line {first.number}", self._split(first.text), problem)
        return self._row(self.taken, cells)

    def _continued(self, first: Line) -> Iterator[str]:
        yield first.text
        while (line := self._next()) is not None:
            self.taken.append(line)
            yield line.text

    def _row(self, of: Sequence[Line], cells: Sequence[str]) -> TableRow:
        place, problem = f"line {of[0].number}", next((line.problem for line in of if line.problem), None)
        if len(cells) > len(self.header):
            many = f"{place} has {len(cells)} cells under {len(self.header)} columns"
            problem = problem or f"{many}; a cell with {self.delimiter!r} in it stands in double quotes"
            return TableRow(place, {RAW: "".join(line.text for line in of).rstrip("\r\n")}, problem)
        return TableRow(place, dict(zip(self.header, cells, strict=False)), problem)

    def _split(self, text: str) -> dict[str, object]:
        """The cells of a line with a stray quote, if it has as many as the header; else the line as it is."""
        line = text.rstrip("\r\n")
        cells = line.split(self.delimiter)
        return {RAW: line} if len(cells) != len(self.header) else dict(zip(self.header, cells, strict=True))

    def _bare_cells(self, line: Line) -> list[str] | None:
        """The cells of a line that is split at each tab; None where quotes may hold tabs and line ends."""
        cells = line.text.rstrip("\r\n").split("\t")
        if self.bare is False or len(cells) > len(self.header):
            return None
        if self.bare is None and any(map(_is_open, cells)):
            self.bare = self._is_bare(line.number)
        return None if self.bare is False else [_unquoted(cell) for cell in cells]

    def _is_bare(self, start: int) -> bool:
        """Whether each line from one on has a cell for each column."""
        tabs = len(self.header) - 1
        return all(
            line.text.count("\t") == tabs or not line.text.strip() for line in islice(lines(self.path), start - 1, None)
        )


@contextmanager
def _room_for(line: str) -> Iterator[None]:
    """Lets the csv module read the cells of a line, though one may hold an image in base64.

    The limit of all lines stays as it is, so that an open quote does not swallow all lines below.
    """
    limit = csv.field_size_limit()
    csv.field_size_limit(max(limit, len(line)))
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _is_open(cell: str) -> bool:
    """Whether a cell begins with a quote and is not quoted as in RFC 4180."""
    return cell.startswith('"') and not _is_quoted(cell)


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")


def _unquoted(cell: str) -> str:
    """A cell without the quotes around it, where they are those of RFC 4180 and not a quotation in it."""
    return cell[1:-1].replace('""', '"') if _is_quoted(cell) else cell
