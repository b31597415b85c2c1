"""Which format a file of captions is in, by its content first and its suffix second."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagist.datasets.captions.coco import coco_entries, is_coco
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.flickr30k import BAR, barred_entries
from imagist.datasets.captions.jsonlines import json_document, json_line_entries, members, object_entries
from imagist.datasets.captions.karpathy import is_karpathy, karpathy_entries
from imagist.datasets.captions.parquet import parquet_entries
from imagist.datasets.captions.record import Entry, Wanted
from imagist.datasets.captions.separated import DELIMITERS, header_of, separated_entries
from imagist.datasets.captions.sniffing import are_json_lines, head_of, is_parquet, text_of
from imagist.datasets.captions.tokens import is_token_line, token_entries
from imagist.errors import DataError

_TRIED = 20
_UNDERSTOOD = "COCO captions, Karpathy's images with sentences, or a list of objects with image and captions"


def entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    """What a file says, row by row.

    Raises:
        DataError: No such file, empty, of no format that is known, or without what is wanted.
    """
    if os.path.isdir(path):  # noqa: PTH112
        raise DataError("a folder, not a file of captions", item=str(path), remedy="name the files in it")
    head = head_of(path, "name a file of captions")
    text = text_of(head)
    if is_parquet(path, head):
        return parquet_entries(path, wanted, faults)
    if any(map(is_token_line, text.splitlines()[:_TRIED])):
        _refuse_languages(path, wanted)
        return token_entries(path, faults)
    if are_json_lines(path, text):
        return json_line_entries(path, wanted, faults)
    if text[:1] in {"{", "["}:
        return _document_entries(path, wanted, faults)
    header = header_of(path)
    if header.count(BAR) > max(map(header.count, DELIMITERS)):
        return barred_entries(path, wanted, faults)
    return separated_entries(path, wanted, faults)


def _document_entries(path: Path, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
    item = str(path)
    document = json_document(path, "name it .jsonl where each line is an object")
    if isinstance(document, Mapping) and (is_karpathy(document) or is_coco(document)):
        _refuse_languages(path, wanted)
        return karpathy_entries(document, faults) if is_karpathy(document) else coco_entries(document, item, faults)
    if isinstance(document, Mapping) and "image" not in document:
        keys = ", ".join(map(repr, list(document)[:10])) or "no keys"
        raise DataError(f"JSON with {keys} is no layout that is known", item=item, remedy=f"give {_UNDERSTOOD}")
    rows = document if isinstance(document, list) else [document]
    return object_entries(members(rows), item, wanted, faults)


def _refuse_languages(path: Path, wanted: Wanted) -> None:
    if wanted.languages:
        raise DataError(
            f"a format without translations; {', '.join(wanted.languages)} asked for",
            item=str(path),
            remedy="give Parquet, CSV or JSONL with a column for each language",
        )
