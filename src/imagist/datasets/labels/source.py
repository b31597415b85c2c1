"""What to read, as a study's configuration says it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

Format = Literal["auto", "folder", "separated", "json", "parquet", "cifar100", "coco"]


@dataclass(frozen=True)
class Columns:
    """Which columns of a table say what; those that are None are found by their names.

    Attributes:
        image: Names or holds the image: ``image``, ``media link``, ``path``, ``url``, ...
        label: The class: ``label``, ``class_label``, ``category``, ``fine_label``, ...
        caption: ``caption``, ``text``, ``tweet_text``, ...; of a list of sentences the first is taken.
        split: ``split``.
        account: Whose post it is: ``account``, ``username``, ``owner``, ...
    """

    image: str | None = None
    label: str | None = None
    caption: str | None = None
    split: str | None = None
    account: str | None = None

    def asked(self) -> dict[str, str]:
        """``{what: column}`` of those that are given."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {what: column for what, column in given.items() if column is not None}


@dataclass(frozen=True)
class Source:
    """A file or folder of labelled images and what to take from it.

    Attributes:
        path: A folder of class folders, or of those under split folders; a CSV, TSV, JSON or Parquet table; the folder
            ``cifar-100-python`` or a file of it; COCO's ``instances_*.json``.
        format: Which of these it is; found from the content where it is ``auto``.
        split: Of a source that names splits, the one to take, or several as ``train+val``; of one that names none,
            what to call it, as each of CrisisNLP's three files of a task.
        images: The folder of the images; where it is None they lie beside the file.
        columns: Of a table. Of CIFAR-100, ``label`` is ``fine_label`` or ``coarse_label``.
        names: The names of labels that are numbers from 0, one a line, or CIFAR-100's ``meta``; not needed for Parquet
            whose schema has them.
    """

    path: str | Path
    format: Format = "auto"
    split: str | None = None
    images: str | Path | None = None
    columns: Columns = Columns()
    names: str | Path | None = None
