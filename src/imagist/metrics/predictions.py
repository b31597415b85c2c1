"""Captions that a captioner wrote, read from a file.

They come as `imagist caption --out` writes them (CSV, JSONL or Parquet with ``source`` and ``caption``), as COCO's
results (a JSON list of ``image_id`` and ``caption``), as pycocoevalcap's ``{id: [caption]}``, or as plain text, one
caption a line.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from imagist.datasets.faults import Faults
from imagist.datasets.source import Source, SourceFile, as_data_error
from imagist.errors import DataError, ManifestError
from imagist.images.tables import Table, cells, columns, open_table
from imagist.images.tables.objects import table_of_objects
from imagist.images.unicode_text import decoded

_IMAGES = ("source", *columns.IMAGES, *columns.IDS)
_CAPTIONS = ("caption", "captions", "prediction", "hypothesis", "generated", "sentence", "text")
_FAILED = ("error_kind", "error_message")
_LISTS = ("annotations", "predictions", "results")
_REMEDY = "give one caption of each image that has references; --subset leaves out those that the captioner failed on"


class PredictedCaption(NamedTuple):
    """A caption and the image that it is about.

    Attributes:
        image: Path, name or number; empty where the file has none.
        caption: As written; it may be empty.
    """

    image: str
    caption: str


def read_predictions(path: Path, *, split: str | None = None, subset: bool = False) -> list[PredictedCaption]:
    """Reads a file of predictions, in its order.

    Args:
        path: A table, whatever its suffix, or a ``.txt`` of lines.
        split: Leave out rows whose ``split`` column names another.
        subset: Leave out rows that have an error in place of a caption.

    Raises:
        DataError: The file cannot be read, has no captions, or has rows without one (all of them at once).
    """
    if not path.is_file():
        raise DataError("no such file", item=str(path), remedy="name a file of predictions")
    if path.suffix.lower() == ".txt":
        try:
            text = io.StringIO(decoded(path.read_bytes()), newline=None).read().removesuffix("\n")
        except ValueError as error:
            raise DataError(str(error), item=str(path), remedy="save it as UTF-8") from error
        return [PredictedCaption("", line.strip()) for line in text.split("\n")]
    table, faults = _table(path), Faults()
    caption = columns.find(table.columns, _CAPTIONS)
    image = columns.find(table.columns, _IMAGES)
    found = []
    used = [each for each in (image, caption, "split", *_FAILED) if each in table.columns]
    for row in table.rows(used, content=False):
        if row.problem is not None:
            faults.add("row that cannot be read", row.problem)
            continue
        name = _name(row.cells.get(image)) if image else ""
        if caption is None or (split is not None and row.cells.get("split", split) != split):
            continue
        if subset and row.cells.get("error_kind"):
            continue
        try:
            found.append(PredictedCaption(name, _caption(row.cells, caption)))
        except ValueError as error:
            faults.add("row without a caption", f"{name or row.place}: {error}")
    if caption is None and not faults:
        message = columns.lacking(["column of captions"], table.columns)
        raise DataError(message, item=str(path), remedy="call the captions caption and the images source")
    faults.raise_any(item=str(path), remedy=_REMEDY)
    return found


def _table(path: Path) -> Table:
    document = SourceFile(Source(path)).document
    if document:
        lists = [document[key] for key in _LISTS if isinstance(document.get(key), list)]
        pairs = [{"image": name, "caption": caption} for name, caption in document.items()]
        rows = lists[0] if lists else pairs
        return table_of_objects(path, rows if isinstance(rows, list) else [])
    try:
        return open_table(path)
    except ManifestError as error:
        raise as_data_error(error) from error


def _name(cell: object) -> str:
    """The name of an image; empty where there is none."""
    name, _ = cells.image(cell)
    return "" if cells.is_empty(name) else str(name).strip()


def _caption(row: Mapping[str, object], column: str) -> str:
    """The caption of a row, which may be a list of one.

    Raises:
        ValueError: The row has none, or several.
    """
    if kind := row.get("error_kind"):
        raise ValueError(f"the captioner failed: {kind}: {row.get('error_message')}")
    cell = row.get(column)
    if isinstance(cell, list) and len(cell) == 1:
        cell = cell[0]
    if isinstance(cell, str):
        return cell
    raise ValueError(f"{column} holds {'nothing' if cell is None else type(cell).__name__}")
