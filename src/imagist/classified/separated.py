"""Rows of any CSV or TSV with a header.

Tab-separated files come in two kinds: quoted like CSV, as pandas writes them, and with bare quotes in their cells, as
tweets have them. A file each of whose lines has a cell for each column is of the second kind.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from imagist.captioned.faults import Faults
from imagist.captioned.lines import ROW, lines
from imagist.captioned.separated import DELIMITERS
from imagist.errors import DataError

Placed = tuple[str, Mapping[str, object]]


def separated_rows(path: Path, faults: Faults) -> tuple[list[str], Iterator[Placed]]:
    """The header, and the rows in order, each with its place and its cells by column.

    Values are separated by whichever of comma, semicolon and tab the header has most of, and quoted as in RFC 4180.
    Rows that cannot be understood are faults.

    Raises:
        DataError: The header cannot be read.
    """
    text = [line for _, line in lines(path, faults)]
    delimiter = max(DELIMITERS, key=text[0].count) if text else ","
    try:
        header = next(csv.reader(text[:1], delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"line 1 cannot be read: {error}", item=str(path), remedy="give it a header") from error
    bare = [line.rstrip("\r\n").split("\t") for line in text[1:]] if delimiter == "\t" else []
    if bare and all(len(cells) == len(header) or cells == [""] for cells in bare):
        return header, _bare_rows(bare, header)
    return header, _quoted_rows(text[1:], header, delimiter, faults)


def _bare_rows(rows: Sequence[Sequence[str]], header: Sequence[str]) -> Iterator[Placed]:
    for number, cells in enumerate(rows, start=2):
        if len(cells) == len(header):
            yield f"line {number}", dict(zip(header, map(_unquoted, cells), strict=True))


def _unquoted(cell: str) -> str:
    """A cell without the quotes around it, where they are those of RFC 4180 and not a quotation in it."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell


def _quoted_rows(text: Sequence[str], header: Sequence[str], delimiter: str, faults: Faults) -> Iterator[Placed]:
    reader = csv.reader(text, delimiter=delimiter, strict=True)  # else a quote left open swallows the rest in silence
    while True:
        place = f"line {reader.line_num + 2}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            faults.add(ROW, f"{place} cannot be read: {error}")
            continue
        if len(cells) > len(header):
            problem = f"{place} has {len(cells)} cells under {len(header)} columns"
            faults.add(ROW, f"{problem}; a cell with {delimiter!r} in it stands in double quotes")
        elif cells:
            yield place, dict(zip(header, cells, strict=False))
