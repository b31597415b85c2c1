"""Rows of any CSV or TSV with a header.

Tab-separated files come in two kinds: quoted like CSV, as pandas writes them, and with bare quotes in their cells, as
tweets have them. A file each of whose lines has a cell for each column is of the second kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import lines
from imagist.datasets.captions.rows import Placed
from imagist.datasets.captions.separated import quoted_rows, read_header


def separated_rows(path: Path, faults: Faults) -> tuple[list[str], Iterator[Placed]]:
    """The header, and the rows in order, each with its place and its cells by column.

    Values are separated by whichever of comma, semicolon and tab the header has most of, and quoted as in RFC 4180.
    Rows that cannot be understood are faults.

    Raises:
        DataError: The header cannot be read.
    """
    text = [line for _, line in lines(path, faults)]
    header, delimiter = read_header(text[0] if text else "", str(path))
    bare = [line.rstrip("\r\n").split("\t") for line in text[1:]] if delimiter == "\t" else []
    if bare and all(len(cells) == len(header) or cells == [""] for cells in bare):
        return header, _bare_rows(bare, header)
    return header, quoted_rows(text[1:], header, delimiter, faults)


def _bare_rows(rows: Sequence[Sequence[str]], header: Sequence[str]) -> Iterator[Placed]:
    for number, cells in enumerate(rows, start=2):
        if len(cells) == len(header):
            yield f"line {number}", dict(zip(header, map(_unquoted, cells), strict=True))


def _unquoted(cell: str) -> str:
    """A cell without the quotes around it, where they are those of RFC 4180 and not a quotation in it."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell
