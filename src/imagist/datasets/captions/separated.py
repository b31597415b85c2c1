"""CSV and TSV with a header: Flickr8k's ``image,caption`` and any other whose columns say what they hold."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from imagist.datasets.captions.columns import choose
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW, lines
from imagist.datasets.captions.record import Entry, Wanted
from imagist.datasets.captions.rows import Placed, row_entries
from imagist.errors import DataError

DELIMITERS = ",;\t"


def separated_entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The rows of a table of separated values, in order; rows that cannot be understood are faults.

    Raises:
        DataError: It has no header, no column of images or captions, or none of a language asked for.
    """
    text = (line for _, line in lines(path, faults))
    header, delimiter = read_header(next(text, ""), str(path))
    columns = choose(header, wanted.languages, str(path))
    yield from row_entries(quoted_rows(text, header, delimiter, faults), columns, faults)


def read_header(line: str, item: str) -> tuple[list[str], str]:
    """The columns that the first line names, and the delimiter: of comma, semicolon and tab what it has most of.

    Raises:
        DataError: It cannot be read; ``item`` is the file.
    """
    delimiter = max(DELIMITERS, key=line.count)
    try:
        return next(csv.reader([line], delimiter=delimiter), []), delimiter
    except csv.Error as error:
        raise DataError(f"line 1 cannot be read: {error}", item=item, remedy="give it a header") from error


def quoted_rows(text: Iterable[str], header: Sequence[str], delimiter: str, faults: Faults) -> Iterator[Placed]:
    """The rows below the header, in order, values quoted as in RFC 4180; what cannot be read is a fault.

    Args:
        text: The lines from the second on.
        header: The columns; a row may have fewer cells.
        delimiter: Separates cells.
        faults: Gets what cannot be read.
    """
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


def header_of(path: Path) -> str:
    """The first line of a text file.

    Raises:
        DataError: The file is UTF-16 or empty.
        OSError: It cannot be read.
    """
    first = next(lines(path, Faults()), None)
    if first is None:
        raise DataError("the file is empty", item=str(path))
    return first[1]
