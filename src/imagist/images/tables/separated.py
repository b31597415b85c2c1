"""CSV and TSV with a header.

Values are quoted as in RFC 4180. Tab-separated files come in two kinds: quoted like CSV, as pandas writes them, and
with bare quotes in their cells, as tweets have them. At the first cell that begins with a quote and is not quoted like
that, a file is of the second kind if each line from there on has a cell for each column.

A quote that does not close, or that only a later row happens to close, costs its own line alone.
"""

from __future__ import annotations

import csv
import operator
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from imagist.errors import ManifestError
from imagist.images.addresses import is_stored, is_url
from imagist.images.formats import has_image_suffix
from imagist.images.stored import AnyPath
from imagist.images.tables.cells import image, is_empty
from imagist.images.tables.table import RAW, Table, TableRow, distinct
from imagist.images.tables.text import Line, lines

DELIMITERS = ",;\t"
_RARE = "|"  # a delimiter where the header has none of the others
_MARKED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # the first line of a table that Excel shall read
_REMEDY = "close each quote, and write a quote in a quoted cell twice"


def open_separated(path: AnyPath) -> Table:
    """A table of separated values.

    The header has most of its delimiter, of comma, semicolon and tab, or bars alone, or follows a line ``sep=;``.

    Raises:
        ManifestError: The header cannot be read.
        OSError: The file cannot be read.
    """
    filled = (line for line in lines(path) if line.text.strip())
    first = next(filled, Line(1, "", None))
    marked = _MARKED.fullmatch(first.text.rstrip("\r\n"))
    if marked:
        first = next(filled, Line(first.number + 1, "", None))
    if first.problem:
        raise ManifestError(first.problem, item=str(path))
    reader = _Rows(path, marked[1] if marked else _delimiter(path, first.text), first.number - 1)
    header = reader.header

    def rows(columns: Sequence[str] | None = None, *, content: bool = True) -> Iterator[TableRow]:
        return _Rows(path, reader.delimiter, first.number - 1).read()

    return Table(path, header, rows, images=header)


def _delimiter(path: AnyPath, header: str) -> str:
    likely = "\t,;" if ".tsv" in path.name.lower() else DELIMITERS
    bare = re.sub('"[^"]*"', "", header)
    found = max(likely, key=bare.count)
    return _RARE if _RARE in bare and found not in bare else found


class _Rows:
    """Reads the header, which begins after some lines, and the rows below it.

    Attributes:
        header: The names of the columns.
    """

    def __init__(self, path: AnyPath, delimiter: str, skipped: int) -> None:
        self.path, self.delimiter = path, delimiter
        self.coming = islice(lines(path), skipped, None)
        self.returned: deque[Line] = deque()  # lines that a failed record took in
        self.taken: list[Line] = []  # lines of the present record
        self.bare: bool | None = None if delimiter == "\t" else False  # None: not decided yet
        self.header: list[str] = []
        if first := self._next():
            self.header = distinct(self._quoted(first)[0] or self._split(first))

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
        """The record that begins in a line that is not blank; one that cannot be read is this line alone."""
        quoted, problem = self._quoted(first)
        if quoted is not None:
            return self._row(self.taken, quoted)
        cells, line = self._split(first), first.text.rstrip("\r\n")
        split = dict(zip(self.header, cells, strict=True)) if len(cells) == len(self.header) else {RAW: line}
        return TableRow(f"line {first.number}", split, f"line {first.number} cannot be read: {problem}; {_REMEDY}")

    def _quoted(self, first: Line) -> tuple[list[str] | None, str]:
        """The cells of a record whose lines are then `taken`; None, and the reason, where its quotes are at fault."""
        self.taken = [first]
        try:
            with _room_for(first.text):
                cells = next(csv.reader(self._continued(first), delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            problem = str(error).partition(" - ")[0]
        else:
            if not self._takes_in_rows():
                return cells, ""
            problem = f"a quote opens in it that line {self.taken[-1].number} closes, and all between are rows"
        self.returned.extendleft(reversed(self.taken[1:]))
        return None, problem

    def _continued(self, first: Line) -> Iterator[str]:
        yield first.text
        while (line := self._next()) is not None:
            self.taken.append(line)
            yield line.text

    def _takes_in_rows(self) -> bool:
        """Whether each line of a record is a row by itself: an image always in the same column, and a cell for each.

        The first may have more cells; of the others fewer than half may have more or less, and some may lack the image.
        In a header, any image is enough.
        """
        first, *others = [self._split(line) for line in self.taken if line.text.strip()]
        width = len(self.header)
        if not width:
            return any(map(_is_image, (cell for cells in others for cell in cells)))
        if width == 1 or len(first) < width or 2 * sum(len(cells) == width for cells in others) <= len(others):
            return False
        for column in range(width):
            named = [cells[column] if column < len(cells) else "no image" for cells in [first, *others]]
            images = [_is_image(cell) for cell in named]
            if images[0] and any(images[1:]) and all(map(operator.or_, images, map(is_empty, named))):
                return True
        return False

    def _row(self, of: Sequence[Line], cells: Sequence[str]) -> TableRow:
        place, problem = f"line {of[0].number}", next((line.problem for line in of if line.problem), None)
        if len(cells) > len(self.header):
            many = f"{place} has {len(cells)} cells under {len(self.header)} columns"
            problem = problem or f"{many}; a cell with {self.delimiter!r} in it stands in double quotes"
            return TableRow(place, {RAW: "".join(line.text for line in of).rstrip("\r\n")}, problem)
        return TableRow(place, dict(zip(self.header, cells, strict=False)), problem)

    def _split(self, line: Line) -> list[str]:
        """The cells of a line whatever its quotes: a quote that does not close is a part of its cell."""
        end = re.escape(self.delimiter)
        found = re.findall(rf'((?:"(?:[^"]|"")*+"(?={end}|$))|[^{end}]*)({end}|$)', line.text.rstrip("\r\n"))
        cells = [_unquoted(cell) for cell, _ in found]
        return cells[: 1 + sum(bool(delimiter) for _, delimiter in found)]

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


def _is_image(cell: str) -> bool:
    """Whether a cell names or holds an image, by its form; the quote that a record ends with may be in it."""
    text = cell.strip(' "')
    return has_image_suffix(text) or is_url(text) or is_stored(text) or image(text)[1] is not None


def _is_open(cell: str) -> bool:
    """Whether a cell begins with a quote and is not quoted as in RFC 4180."""
    return cell.startswith('"') and not _is_quoted(cell)


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")


def _unquoted(cell: str) -> str:
    """A cell without the quotes around it, where they are those of RFC 4180 and not a quotation in it."""
    return cell[1:-1].replace('""', '"') if _is_quoted(cell) else cell
