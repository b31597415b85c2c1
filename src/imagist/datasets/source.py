"""What to read: files and folders of captioned or labelled images, as recipes and studies name them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from imagist.datasets.entries import Entry
from imagist.datasets.faults import Faults
from imagist.errors import DataError, ManifestError
from imagist.images.tables import is_json, is_json_lines, is_parquet
from imagist.images.tables.objects import read_document
from imagist.images.tables.text import Line, decoded, head_of, lines

ROW = "unreadable row"  # the kind of fault
_REMEDY = "name a table, a folder of class folders, or a published data set such as COCO's or Flickr30k's"


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold what; those that are None are found by their names.

    Attributes:
        image: Names or holds the image: ``image``, ``media link``, ``path``, ``url``, ...
        label: The class: ``label``, ``class_label``, ``category``, ``fine_label``, ...
        caption: ``captions``, ``caption``, ``text``, ``tweet_text``, ...: a sentence or a list of them.
        split: ``split``.
        account: Who posted it: ``account``, ``username``, ``owner``, ...
        weight: How much an image counts in a fit, a number above 0: ``sample_weight``. Studies and recipes do without.
    """

    image: str | None = None
    label: str | None = None
    caption: str | None = None
    split: str | None = None
    account: str | None = None
    weight: str | None = None

    def given(self) -> dict[str, str]:
        """``{what: column}`` of those that are not None."""
        columns = {each.name: getattr(self, each.name) for each in fields(self)}
        return {what: column for what, column in columns.items() if column is not None}


@dataclass(frozen=True)
class Source:
    """A file or folder of captioned or labelled images and what to take from it.

    Attributes:
        path: A CSV, TSV, JSON or Parquet table; a folder of class folders, or of those under split folders; the folder
            ``cifar-100-binary`` or a file of it; a file of COCO, Karpathy's splits, Flickr8k or Flickr30k.
        format: Which of these it is (``table``, ``folder``, ``cifar100``, ``coco``, ...); detected from the content
            where it is ``auto``.
        split: Of a source that names splits, the one to take, or several as ``train+val``; of one that names none,
            what to call it, as each of CrisisNLP's three files of a task.
        images: The folder of the images; where it is None they lie next to the file.
        columns: Of a table. Of CIFAR-100, ``label`` is ``fine_label`` or ``coarse_label``.
        names: A text file of the names of labels that are numbers from 0, one a line; not needed for Parquet files
            that hold them.
        only: A list of images, one name a line (``Flickr_8k.trainImages.txt``), with or without folder and suffix: no
            other image is taken.
        where: Of a table, the rows with these values in their columns, such as ``{ source = "caltech101" }``.
    """

    path: str | Path
    format: str = "auto"
    split: str | None = None
    images: str | Path | None = None
    columns: Columns = Columns()
    names: str | Path | None = None
    only: str | Path | None = None
    where: Mapping[str, str] = field(default_factory=dict, hash=False)

    def within(self, folder: Path) -> Source:
        """The same with its relative paths looked for in a folder."""
        paths = {name: getattr(self, name) for name in ("path", "images", "names", "only")}
        return replace(self, **{name: folder / path for name, path in paths.items() if path is not None})


@dataclass(frozen=True)
class Wanted:
    """What is read of a source.

    Attributes:
        what: Each image needs captions, or a label.
        languages: ISO 639-1 codes of columns to read as translations of the captions.
        content: Whether encoded images are read.
    """

    what: Literal["captions", "labels"]
    languages: tuple[str, ...] = ()
    content: bool = True


class SourceFile:
    """The file or folder of a source, from which its format is detected."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.path = Path(source.path)
        self.is_folder = os.path.isdir(self.path)  # noqa: PTH112  (a Path raises for a NUL in the name)

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB; empty for a folder.

        Raises:
            DataError: There is no such file, or it cannot be read, or is empty.
        """
        if self.is_folder:
            return b""
        try:
            if self.path.exists() and not self.path.is_file():
                raise DataError("not a regular file", item=str(self.path), remedy="save what it gives in one")
            head = head_of(self.path)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
            raise DataError(reason, item=str(self.path), remedy=_REMEDY) from error
        if not head.strip():
            raise DataError("the file is empty", item=str(self.path), remedy=_REMEDY)
        return head

    @cached_property
    def is_text(self) -> bool:
        """Whether it is a file of text, other than JSON, as far as its beginning and its suffix tell."""
        others = is_json_lines(self.path, self.head) or is_json(self.head)
        return bool(self.first_lines) and not others

    @cached_property
    def first_lines(self) -> list[str]:
        """The lines of the head, from the first that is not blank; none of a folder and of Parquet."""
        is_binary = self.is_folder or is_parquet(self.path, self.head)
        return [] if is_binary else decoded(self.head).splitlines()

    @cached_property
    def document(self) -> Mapping[str, object]:
        """The JSON object that the whole file is; empty where it is something else.

        Raises:
            DataError: It begins like one and is not JSON.
        """
        if not self.first_lines or self.first_lines[0][:1] != "{" or is_json_lines(self.path, self.head):
            return {}
        try:
            document = read_document(self.path, "name it .jsonl where each line is an object")
        except ManifestError as error:
            raise as_data_error(error) from error
        return document if isinstance(document, Mapping) else {}


class Format(Protocol):
    """A layout in which data sets are published; the registry holds them under the kind ``datasets``.

    Attributes:
        holds: ``captions``, ``translations`` of these and ``labels``: those that it can hold.
        columns: The fields of `Columns` that a source may name.
    """

    holds: frozenset[str]
    columns: frozenset[str]

    def recognises(self, file: SourceFile) -> bool:
        """Whether a file or folder has this layout.

        Raises:
            DataError: It cannot be read.
        """
        ...

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """Reads the entries, in order.

        Args:
            file: The file or folder.
            wanted: What is read of it.
            faults: Receives what cannot be read, so that all of it is reported at once.

        Raises:
            DataError: Nothing can be read.
        """
        ...


def as_data_error(error: ManifestError) -> DataError:
    """The error of a table as one of data."""
    return DataError(error.message, item=error.item, remedy=error.remedy)


def text_lines(path: Path) -> Iterator[Line]:
    """The lines of a file of text.

    Raises:
        DataError: It is no text.
        OSError: It cannot be read.
    """
    try:
        yield from lines(path)
    except ManifestError as error:
        raise as_data_error(error) from error


def list_of_names(path: Path, remedy: str) -> list[str]:
    """The names in a text file, one a line, without blank lines.

    Raises:
        DataError: The file cannot be read, or has no names.
    """
    faults, names = Faults(), []
    try:
        for line in text_lines(path):
            if line.problem:
                faults.add(ROW, line.problem)
            if name := line.text.strip():
                names.append(name)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"cannot be read: {error}", item=str(path), remedy=remedy) from error
    faults.raise_any(item=str(path), remedy=remedy)
    if not names:
        raise DataError("no names in it", item=str(path), remedy=remedy)
    return names
