"""Captions that a captioner wrote, read from a file.

They come as `imagist caption --out` writes them (CSV, JSONL or Parquet with ``source`` and ``caption``), as COCO's
results (a JSON list of ``image_id`` and ``caption``), or as plain text, one caption a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from imagist.datasets.captions.faults import Faults
from imagist.errors import DataError, ManifestError
from imagist.images.tables import is_table, open_table

# What people call the columns, in lower case without spaces and punctuation, best first.
_NAMES = ("source", "imageid", "image", "imagename", "filename", "filepath", "file", "path", "imgid", "cocoid", "id")
_CAPTIONS = ("caption", "prediction", "hypothesis", "generated", "sentence", "text")
_LISTS = ("annotations", "predictions", "results")
_REMEDY = "give one caption of each image that has references"


class Said(NamedTuple):
    """A caption and the image that it is about.

    Attributes:
        image: Path, name or number; empty where the file has none.
        caption: As written; it may be empty.
    """

    image: str
    caption: str


def read_predictions(path: Path, *, split: str | None = None) -> list[Said]:
    """Reads a file of predictions, in its order.

    Args:
        path: ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``, ``.json`` or ``.txt``.
        split: Leave out rows whose ``split`` column names another.

    Raises:
        DataError: The file cannot be read, has no captions, or has rows without one (all of them at once).
    """
    if not path.is_file():
        raise DataError("no such file", item=str(path), remedy="name a file of predictions")
    if path.suffix.lower() == ".txt":
        text = path.read_text("utf-8-sig", "replace").removesuffix("\n")
        return [Said("", line.strip()) for line in text.split("\n")]
    faults = Faults()
    rows = list(_table_rows(path, faults) if is_table(path) else _json_rows(path, faults))
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    plain = {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(names)}
    caption = next((plain[name] for name in _CAPTIONS if name in plain), None)
    if caption is None and not faults:
        remedy = "call the captions caption and the images source"
        raise DataError(f"no column of captions; it has {', '.join(names) or 'none'}", item=str(path), remedy=remedy)
    image = next((plain[name] for name in _NAMES if name in plain), None)
    found = []
    for place, cells in rows if caption else ():
        name = _name(cells.get(image)) if image else ""
        if split is not None and cells.get("split", split) != split:
            continue
        if reason := _missing(cells, caption or ""):
            faults.add("row without a caption", f"{name or place}: {reason}")
        found.append(Said(name, str(cells.get(caption or ""))))
    faults.raise_any(item=str(path), remedy=_REMEDY)
    return found


def _name(cell: object) -> str:
    """The name in a cell, which may be the Hugging Face struct ``{bytes, path}``."""
    if isinstance(cell, Mapping):
        cell = cell.get("path")
    return "" if cell is None or cell != cell or isinstance(cell, bytes) else str(cell).strip()


def _missing(cells: Mapping[str, object], caption: str) -> str | None:
    """Why a row has no caption; None where it has one."""
    if kind := cells.get("error_kind"):
        return f"the captioner failed: {kind}: {cells.get('error_message')}"
    cell = cells.get(caption)
    return None if isinstance(cell, str) else f"{caption} holds {'nothing' if cell is None else type(cell).__name__}"


def _table_rows(path: Path, faults: Faults) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        records = open_table(path).records()
        for number, cells in records:
            if isinstance(cells, ManifestError):
                faults.add("row that cannot be read", cells.message)
            else:
                yield f"row {number}" if path.suffix == ".parquet" else f"line {number}", cells
    except ManifestError as error:
        raise DataError(error.message, item=str(path)) from error


def _json_rows(path: Path, faults: Faults) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        remedy = "give CSV, JSONL, Parquet, or COCO's results: a JSON list of image_id and caption"
        raise DataError(f"not JSON: {error}", item=str(path), remedy=remedy) from error
    if isinstance(document, Mapping):
        lists = [document[key] for key in _LISTS if isinstance(document.get(key), list)]
        document = lists[0] if lists else [{"image": name, "caption": said} for name, said in document.items()]
    for number, cells in enumerate(document if isinstance(document, list) else [document]):
        if isinstance(cells, Mapping):
            yield f"[{number}]", cells
        else:
            faults.add("row that cannot be read", f"[{number}] is {type(cells).__name__}, not a JSON object")
