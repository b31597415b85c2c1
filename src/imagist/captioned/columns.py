"""Which columns of a table say what, and what one row says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagist.captioned.faults import Faults
from imagist.captioned.lines import ROW
from imagist.captioned.record import Entry, one_line
from imagist.errors import DataError

# What people call the columns, in lower case without spaces and punctuation, best first.
_FILES = ("imagename", "imagepath", "imagefile", "filename", "filepath", "file", "path", "imageid", "imgid", "cocoid")
_IMAGES = ("image", "img", "picture", "photo", *_FILES, "id", "imageurl", "url")
_CAPTIONS = ("captions", "caption", "sentences", "sentence", "comments", "comment", "text", "raw")
_NUMBERED = re.compile(r"(caption|sentence|comment)s?\d+")


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read.

    Attributes:
        image: Names or holds the image.
        captions: One column of sentences, or several of one each (``caption_0``, ``caption_1``, ...).
        name: Names an image whose bytes stand in ``image`` without a path, where there is such a column.
        split: Where there is such a column.
        languages: The columns of the languages asked for, which are named by their codes.
        held: ``image`` holds encoded images.
    """

    image: str
    captions: tuple[str, ...]
    name: str | None = None
    split: str | None = None
    languages: tuple[str, ...] = ()
    held: bool = False


def choose(names: Sequence[str], languages: Sequence[str], item: str, holding: Sequence[str] = ()) -> Columns:
    """Finds the columns by their names.

    Args:
        names: All the table has.
        languages: Codes of the translations asked for.
        item: The file, for errors.
        holding: Those that can hold encoded images.

    Raises:
        DataError: No column of images or of captions, or none of a language; the message lists those there are.
    """
    plain = {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(names)}
    image = _first(_IMAGES, plain)
    caption = _first(_CAPTIONS, plain)
    numbered = sorted((each for each in plain if _NUMBERED.fullmatch(each)), key=lambda each: (len(each), each))
    captions = (caption,) if caption else tuple(plain[each] for each in numbered)
    missing = [f"column of {what}" for what, found in (("images", image), ("captions", captions)) if not found]
    missing += [f"column {language!r}" for language in languages if language not in names]
    if image is None or missing:
        raise DataError(
            f"no {' and no '.join(missing)}; it has {', '.join(map(repr, names)) or 'none'}",
            item=item,
            remedy="the first line, or the schema, names the columns: image, caption or captions, split, de, fr, ...",
        )
    held = image in holding
    files = [plain[each] for each in _FILES if each in plain and plain[each] not in holding]
    name = files[0] if held and files else None
    return Columns(image, captions, name, plain.get("split"), tuple(languages), held)


def _first(known: Sequence[str], plain: Mapping[str, str]) -> str | None:
    return next((plain[each] for each in known if each in plain), None)


def row_entry(cells: Mapping[str, object], columns: Columns, place: str, faults: Faults) -> Entry | None:
    """What one row says.

    Args:
        cells: By column; what is not there is None.
        columns: Which say what.
        place: Of the row in its file, such as ``line 7``.
        faults: Gets what cannot be understood.

    Returns:
        The entry; None where it is at fault.
    """
    try:
        image, content, held = _image(cells, columns)
        captions, whole = _captions(cells, columns)
        translated = [code for code in columns.languages if not _null(cells.get(code))]
        translations = {code: _sentences(cells[code], code)[0] for code in translated}
        split = _name(cells.get(columns.split), columns.split) if columns.split else None
    except ValueError as error:
        faults.add(ROW, f"{place}: {error}")
        return None
    return Entry(place, image, captions, split, content, translations, whole, held)


def _image(cells: Mapping[str, object], columns: Columns) -> tuple[str, bytes | None, bool]:
    """The name, empty where there is none; the bytes where they were read; whether the row holds them."""
    cell = cells.get(columns.image)
    name, content = (cell.get("path"), cell.get("bytes")) if isinstance(cell, Mapping) else (cell, None)
    if isinstance(name, bytes):
        name, content = None, name
    found = _name(name, columns.image) or (_name(cells.get(columns.name), columns.name) if columns.name else None)
    unread = columns.held and (columns.image not in cells or (isinstance(cell, Mapping) and "bytes" not in cell))
    held = unread or (isinstance(content, bytes) and len(content) > 0)
    if not found and not held:
        raise ValueError(f"column {columns.image!r} is empty; each row names or holds an image")
    return found or "", content if isinstance(content, bytes) and content else None, held


def _captions(cells: Mapping[str, object], columns: Columns) -> tuple[tuple[str, ...], bool]:
    if len(columns.captions) == 1:
        return _sentences(cells.get(columns.captions[0]), columns.captions[0])
    found = [_sentences(cells[name], name)[0] for name in columns.captions if not _null(cells.get(name))]
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
    if _null(cell):
        return ""
    if not isinstance(cell, str):
        raise ValueError(f"column {column!r} holds {type(cell).__name__}, not text")
    return one_line(cell)


def _name(cell: object, column: str | None) -> str | None:
    if _null(cell):
        return None
    if isinstance(cell, str) or (isinstance(cell, int) and not isinstance(cell, bool)):
        return str(cell).strip()
    raise ValueError(f"column {column!r} holds {type(cell).__name__}, not a name")


def _null(cell: object) -> bool:
    """Also what pandas writes for a missing cell (NaN), and an empty cell of a CSV."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())
