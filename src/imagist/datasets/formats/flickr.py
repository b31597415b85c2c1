"""The published captions of Flickr8k and Flickr30k.

Source: Hodosh, Young and Hockenmaier 2013, "Framing image description as a ranking task"; Young et al. 2014, "From
image descriptions to visual denotations".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagist.datasets.columns import KNOWN, entry, find
from imagist.datasets.entries import Entry, one_line
from imagist.datasets.faults import Faults
from imagist.datasets.source import ROW, SourceFile, Wanted, text_lines
from imagist.images.tables import columns as tables
from imagist.images.tables.separated import DELIMITERS

_TRIED = 20
_BAR = "|"
_BAR_LEFT_OUT = re.compile(r"\s*(\d+)\s+(\S.*)", re.DOTALL)


class TokenFile:
    """``Flickr8k.token.txt`` and ``results_20130124.token``.

    One sentence a line: the image, ``#``, the sentence's number, a tab, the sentence.
    """

    holds = frozenset({"captions"})
    columns = frozenset[str]()

    def recognises(self, file: SourceFile) -> bool:
        """Whether one of the first lines is of this format."""
        return any(split_token_line(line) for line in file.first_lines[:_TRIED])

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """The sentences, in order; lines that are none, or repeat a number, are faults."""
        seen: set[tuple[str, int]] = set()
        for number, line, problem in text_lines(file.path):
            if problem:
                faults.add(ROW, problem)
                continue
            if not line.strip():
                continue
            parts = split_token_line(line)
            if parts is None:
                faults.add(ROW, f"line {number} is not IMAGE#NUMBER, a tab, a sentence: {line.strip()[:60]!r}")
                continue
            image, index, text = parts
            if (image, index) in seen:
                faults.add(ROW, f"line {number} repeats {image}#{index}")
                continue
            seen.add((image, index))
            yield Entry(f"line {number}", image, (one_line(text),), whole=False)


class BarredTable:
    """Flickr30k's ``results.csv``: ``image_name| comment_number| comment``, one sentence a line, nothing quoted.

    The published file has one line without its second bar (``2199200615.jpg| 4   A dog runs ...``); it is read as if
    the bar was there.
    """

    holds = frozenset({"captions", "translations"})
    columns = frozenset({"image", "caption", "split"})

    def recognises(self, file: SourceFile) -> bool:
        """Whether the first line has more bars than other delimiters, and names no labels, as tables do."""
        header = file.first_lines[0] if file.is_text else ""
        labels = tables.find(header.split(_BAR), KNOWN["label"])
        return header.count(_BAR) > max(map(header.count, DELIMITERS)) and labels is None

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """The sentences, in order; lines that cannot be read are faults.

        Raises:
            DataError: There is no column of images or captions, or none of a language asked for.
        """
        text = text_lines(file.path)
        header = [name.strip() for name in next(text).text.split(_BAR)]
        columns = find(header, wanted, file.source.columns, str(file.path))
        for number, line, problem in text:
            if problem:
                faults.add(ROW, problem)
                continue
            if not line.strip():
                continue
            cells = line.split(_BAR, len(header) - 1)  # bars in the last column, the sentence, belong to it
            if len(cells) == len(header) - 1 and (parts := _BAR_LEFT_OUT.fullmatch(cells[-1])):
                cells[-1:] = parts.groups()
            if len(cells) < len(header):
                faults.add(ROW, f"line {number} has {len(cells)} cells under {len(header)} columns")
                continue
            try:
                yield entry(dict(zip(header, cells, strict=True)), columns, f"line {number}")
            except ValueError as error:
                faults.add(ROW, f"line {number}: {error}")


def split_token_line(line: str) -> tuple[str, int, str] | None:
    """The image, the number and the sentence of a line of a token file; None where it is no such line."""
    head, tab, text = line.partition("\t")
    image, _, index = head.strip().rpartition("#")
    if not tab or not image.strip() or not (index.isascii() and index.isdigit()):
        return None
    return image.strip(), int(index), text
