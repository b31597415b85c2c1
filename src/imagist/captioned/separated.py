"""CSV and TSV with a header: Flickr8k's ``image,caption`` and any other whose columns say what they hold."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from imagist.captioned.columns import choose, row_entry
from imagist.captioned.faults import Faults
from imagist.captioned.lines import ROW, lines
from imagist.captioned.record import Entry, Wanted
from imagist.errors import DataError

DELIMITERS = ",;\t"


def separated_entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The rows of a table of separated values, in order; rows that cannot be understood are faults.

    Values are separated by whichever of comma, semicolon and tab the header has most of, and quoted as in RFC 4180.

    Raises:
        DataError: It has no header, no column of images or captions, or none of a language asked for.
    """
    item = str(path)
    text = (line for _, line in lines(path, faults))
    first = next(text, "")
    delimiter = max(DELIMITERS, key=first.count)
    try:
        header = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"line 1 cannot be read: {error}", item=item, remedy="give it a header") from error
    columns = choose(header, wanted.languages, item)
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
            faults.add(ROW, f"{problem}; a caption with {delimiter!r} in it stands in double quotes")
        elif cells and (entry := row_entry(dict(zip(header, cells, strict=False)), columns, place, faults)):
            yield entry


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
