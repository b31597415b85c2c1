"""Flickr30k's ``results.csv``: ``image_name| comment_number| comment``, one sentence a line, nothing quoted.

The published file has one line without its second bar (``2199200615.jpg| 4   A dog runs ...``); it is read as meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from imagist.datasets.captions.columns import choose
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW, lines
from imagist.datasets.captions.record import Entry, Wanted
from imagist.datasets.captions.rows import row_entry

BAR = "|"
_BAR_LEFT_OUT = re.compile(r"\s*(\d+)\s+(\S.*)", re.DOTALL)


def barred_entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """The sentences of the file, in order; lines that cannot be understood are faults.

    Raises:
        DataError: It has no column of images or captions, or none of a language asked for.
    """
    item = str(path)
    text = lines(path, faults)
    header = [name.strip() for name in next(text, (1, ""))[1].split(BAR)]
    columns = choose(header, wanted.languages, item)
    for number, line in text:
        if not line.strip():
            continue
        cells = line.split(BAR, len(header) - 1)  # bars in the last column, the sentence, belong to it
        if len(cells) == len(header) - 1 and (parts := _BAR_LEFT_OUT.fullmatch(cells[-1])):
            cells[-1:] = parts.groups()
        if len(cells) < len(header):
            faults.add(ROW, f"line {number} has {len(cells)} cells under {len(header)} columns")
        elif entry := row_entry(dict(zip(header, cells, strict=True)), columns, f"line {number}", faults):
            yield entry
