"""Token files of Flickr8k (``Flickr8k.token.txt``) and Flickr30k (``results_20130124.token``).

One sentence a line: the image, ``#``, the sentence's number, a tab, the sentence. Source: Hodosh, Young and Hockenmaier
2013, "Framing image description as a ranking task".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW, lines
from imagist.datasets.captions.record import Entry, one_line


def is_token_line(line: str) -> bool:
    """Whether a line is of this format."""
    return _split(line) is not None


def token_entries(path: Path, faults: Faults) -> Iterator[Entry]:
    """The sentences of a token file, in order; lines that are no such sentence, or repeat a number, are faults."""
    seen: set[tuple[str, int]] = set()
    for number, line in lines(path, faults):
        if not line.strip():
            continue
        parts = _split(line)
        if parts is None:
            faults.add(ROW, f"line {number} is not IMAGE#NUMBER, a tab, a sentence: {line.strip()[:60]!r}")
            continue
        image, index, text = parts
        if (image, index) in seen:
            faults.add(ROW, f"line {number} repeats {image}#{index}")
            continue
        seen.add((image, index))
        yield Entry(f"line {number}", image, (one_line(text),), whole=False)


def _split(line: str) -> tuple[str, int, str] | None:
    head, tab, text = line.partition("\t")
    image, _, index = head.strip().rpartition("#")
    if not tab or not image.strip() or not (index.isascii() and index.isdigit()):
        return None
    return image.strip(), int(index), text
