"""Which format a source of labelled images is in, by its content first and its suffix second."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.sniffing import are_json_lines, head_of, is_parquet, text_of
from imagist.datasets.labels.cifar100 import META, SPLITS, cifar100_labelled
from imagist.datasets.labels.coco import coco_labelled
from imagist.datasets.labels.example import Labelled
from imagist.datasets.labels.folder import folder_labelled
from imagist.datasets.labels.opcodes import MAGIC as PYTHON_2
from imagist.datasets.labels.source import Source
from imagist.datasets.labels.tables import json_labelled, parquet_labelled, separated_labelled
from imagist.errors import DataError

_REMEDY = "name a table, a folder of class folders, cifar-100-python, or COCO's instances"
_READERS: dict[str, Callable[[Source, bool, Faults], Iterator[Labelled]]] = {
    "folder": folder_labelled,
    "separated": separated_labelled,
    "json": json_labelled,
    "parquet": parquet_labelled,
    "cifar100": cifar100_labelled,
    "coco": coco_labelled,
}
_FOLDERS = {"folder": {True}, "cifar100": {True, False}}
_COLUMNS = {"folder": set[str](), "coco": set[str](), "cifar100": {"label"}}


def rows(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """What a source says, row by row.

    Raises:
        DataError: Nothing there, empty, or asked for columns that its format has not.
    """
    found = format_of(Path(source.path))
    name = found if source.format == "auto" else source.format
    is_folder = Path(source.path).is_dir()
    if is_folder not in _FOLDERS.get(name, {False}):
        raise DataError(f"a {'folder' if is_folder else 'file'} is not {name}", item=str(source.path), remedy=_REMEDY)
    asked = source.columns.asked()
    unknown = [column for what, column in asked.items() if what not in _COLUMNS.get(name, asked)]
    if unknown:
        raise DataError(f"{name} has no columns, and so no {', '.join(map(repr, unknown))}", item=str(source.path))
    return _READERS[name](source, content, faults)


def format_of(path: Path) -> str:
    """The name of the format of a file or folder.

    Raises:
        DataError: There is nothing, or it is empty or cannot be read.
    """
    if os.path.isdir(path):  # noqa: PTH112
        return "cifar100" if all(os.path.isfile(path / name) for name in (META, *SPLITS[:1])) else "folder"  # noqa: PTH113
    head = head_of(path, _REMEDY)
    text = text_of(head)
    if is_parquet(path, head):
        return "parquet"
    if head.startswith(PYTHON_2):
        return "cifar100"
    if text[:1] == "[" or are_json_lines(path, text):
        return "json"
    return "coco" if text[:1] == "{" else "separated"
