"""Which columns of a data set's table hold what, and the entry that one row is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagist.datasets.entries import Entry, one_line
from imagist.datasets.source import Columns, Wanted
from imagist.errors import DataError
from imagist.images.tables import cells as read
from imagist.images.tables import columns as tables
from imagist.images.tables.table import plain

KNOWN = {
    "image": (*tables.IMAGES, *tables.IDS),
    "caption": tables.CAPTIONS,
    "label": ("label", "classlabel", "labelname", "class", "classname", "category", "target", "finelabel"),
    "split": ("split",),
    "account": ("account", "username", "user", "userid", "owner", "ownerusername", "author", "screenname", "profile"),
    "weight": ("sampleweight", "sampleweights"),
}
_NUMBERED = re.compile(r"(caption|sentence|comment)s?\d+")


@dataclass(frozen=True)
class Found:
    """The columns of a table that are read.

    Attributes:
        image: Names or holds the image.
        captions: One column of sentences, or several of one each (``caption_0``, ``caption_1``, ...).
        label: Holds the class, where labels are wanted.
        name: Names an image whose bytes are in ``image`` without a path, where there is such a column.
        split: Where there is such a column.
        account: Where there is such a column and labels are wanted.
        weight: The same.
        languages: The columns of the languages asked for, which are named by their codes.
        held: ``image`` holds encoded images.
        label_names: Of labels that are numbers, in order; empty where labels are taken as they are.
    """

    image: str
    captions: tuple[str, ...] = ()
    label: str | None = None
    name: str | None = None
    split: str | None = None
    account: str | None = None
    weight: str | None = None
    languages: tuple[str, ...] = ()
    held: bool = False
    label_names: tuple[str, ...] = ()

    def all(self) -> list[str]:
        """Every column that is read."""
        columns = (
            self.image,
            self.name,
            self.split,
            self.label,
            self.account,
            self.weight,
            *self.captions,
            *self.languages,
        )
        return [column for column in columns if column is not None]


def find(names: Sequence[str], wanted: Wanted, given: Columns, item: str, encoded: Sequence[str] = ()) -> Found:
    """Takes the columns that the user names and finds the others by their names.

    Args:
        names: All columns of the table.
        wanted: Captions or labels, and languages.
        given: The columns that the user names.
        item: The file, for errors.
        encoded: The columns that can hold encoded images.

    Raises:
        DataError: Columns that the user names and the table lacks, or none of images, or of captions or labels; the
            message lists those there are.
    """
    found, missing = tables.assign(names, KNOWN, given.given())
    labelled = wanted.what == "labels"
    captions = (found["caption"],) if found["caption"] else _numbered(names)
    needed = {"images": found["image"], **({"labels": found["label"]} if labelled else {"captions": captions})}
    asked = given.given()
    missing += [f"column of {what}" for what, column in needed.items() if not column and what[:-1] not in asked]
    missing += [f"column {language!r}" for language in wanted.languages if language not in names]
    image = found["image"]
    if image is None or missing:
        remedy = "the first line, or the schema, names the columns; say which is which with columns"
        raise DataError(tables.lacking(missing, map(repr, names)), item=item, remedy=remedy)
    return Found(
        image=image,
        captions=captions,
        label=found["label"] if labelled else None,
        name=tables.find([name for name in names if name not in encoded], tables.NAMES) if image in encoded else None,
        split=found["split"],
        account=found["account"] if labelled else None,
        weight=found["weight"] if labelled else None,
        languages=wanted.languages,
        held=image in encoded,
    )


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """The columns ``caption_0``, ``caption_1``, ..., in the order of their numbers."""
    spelled = {plain(name): name for name in reversed(names)}
    numbered = sorted(filter(_NUMBERED.fullmatch, spelled), key=lambda each: (len(each), each))
    return tuple(spelled[each] for each in numbered)


def entry(cells: Mapping[str, object], columns: Found, place: str) -> Entry:
    """The entry that a row is.

    Args:
        cells: By column; what is absent is None.
        columns: The columns that are read.
        place: Of the row in its file, such as ``line 7``.

    Raises:
        ValueError: A cell holds something else than it should.
    """
    image, content, held = _image(cells, columns)
    captions, whole = _captions(cells, columns)
    translated = [code for code in columns.languages if not read.is_empty(cells.get(code))]
    label = read.label(cells.get(columns.label), columns.label) if columns.label else ""
    return Entry(
        place,
        image,
        captions,
        split=read.name(cells.get(columns.split), columns.split) if columns.split else None,
        content=content,
        translations={code: _sentences(cells[code], code)[0] for code in translated},
        label=label_name(label, columns.label_names) if columns.label_names and label else label,
        account=read.name(cells.get(columns.account), columns.account) if columns.account else None,
        weight=read.weight(cells.get(columns.weight), columns.weight) if columns.weight else 1.0,
        whole=whole,
        held=held,
    )


def label_name(label: str, names: Sequence[str]) -> str:
    """The name of a label that is a number.

    Raises:
        ValueError: It is none, or one without a name.
    """
    if not (label.isascii() and label.isdigit() and int(label) < len(names)):
        raise ValueError(f"label {label} is not a number from 0 to {len(names) - 1}, and so has no name")
    return names[int(label)]


def _image(cells: Mapping[str, object], columns: Found) -> tuple[str, bytes | None, bool]:
    """The name, empty where there is none; the bytes where they were read; whether the row holds them."""
    cell = cells.get(columns.image)
    name, content = read.image(cell)
    other = cells.get(columns.name) if columns.name else None
    found = read.name(name, columns.image) or read.name(other, columns.name)
    unread = columns.held and (columns.image not in cells or (isinstance(cell, Mapping) and "bytes" not in cell))
    if not found and not unread and content is None:
        raise ValueError(f"column {columns.image!r} is empty; each row names or holds an image")
    return found or "", content, unread or content is not None


def _captions(cells: Mapping[str, object], columns: Found) -> tuple[tuple[str, ...], bool]:
    if len(columns.captions) == 1:
        return _sentences(cells.get(columns.captions[0]), columns.captions[0])
    found = [_sentences(cells[name], name)[0] for name in columns.captions if not read.is_empty(cells.get(name))]
    return tuple(sentence for sentences in found for sentence in sentences), True


def _sentences(cell: object, column: str) -> tuple[tuple[str, ...], bool]:
    """The sentences of a cell, and whether they are a list; a null is an empty sentence, for ``check`` to name."""
    if isinstance(cell, str) and cell.startswith(("['", '["')):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise ValueError(f"column {column!r} looks like a list but is no JSON; write it with json.dumps") from None
    if not isinstance(cell, list | tuple):
        return (_sentence(cell, column),), False
    return tuple(_sentence(each, column) for each in cell), True


def _sentence(cell: object, column: str) -> str:
    if isinstance(cell, Mapping):
        cell = cell.get("raw", cell.get("caption"))
    if read.is_empty(cell):
        return ""
    if not isinstance(cell, str):
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, not text")
    return one_line(cell)
