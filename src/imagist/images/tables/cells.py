"""What a cell of a table holds: nothing, a name, a label, an image."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote_to_bytes

from imagist.images.formats import recognise

_LONGEST_NAME = 255  # characters; a longer text may be an image in base64
_MISSING = ("nan", "NaN")  # labels that pandas and numpy write for missing ones


def is_empty(cell: object) -> bool:
    """Whether a cell is missing: None, NaN (as pandas writes it), or blank text."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def name(cell: object, column: str | None) -> str | None:
    """The name that a cell holds, a whole number too; None where it is empty.

    Raises:
        ValueError: It holds something else.
    """
    if is_empty(cell):
        return None
    if isinstance(cell, str) or (isinstance(cell, int) and not isinstance(cell, bool)):
        return str(cell).strip()
    raise ValueError(f"column {column!r} holds {type(cell).__name__}, not a name")


def label(cell: object, column: str) -> str:
    """The label that a cell holds: a name, ``true`` or ``false``, or a whole number; empty where there is none.

    Raises:
        ValueError: It holds something else, such as 1.5.
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float | Decimal) and cell % 1 == 0:
        return str(int(cell))
    found = name(cell, column) or ""
    return "" if found in _MISSING else found


def image(cell: object) -> tuple[object, bytes | None]:
    """The name and the encoded bytes of an image, each None where the cell has none.

    A cell holds a path, an address, a ``data:`` address, base64, bytes, or the Hugging Face struct ``{bytes, path}``;
    whatever else it holds is returned as it is in the place of the name, for the caller to judge.
    """
    name: object = cell
    content: object = None
    if isinstance(cell, Mapping):
        name, content = cell.get("path"), cell.get("bytes")
    if isinstance(name, bytes):
        content, name = name, None
    if isinstance(name, str) and name.lstrip()[:5].lower() == "data:":
        content, name = _data(name.strip()), None
    elif isinstance(name, str) and len(name) > _LONGEST_NAME and (decoded := _base64(name)):
        content, name = decoded, None
    return name, content if isinstance(content, bytes) and content else None


def _base64(text: str) -> bytes | None:
    """The image that a text is the base64 of; None where it is none."""
    try:
        content = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        return None
    return content if recognise(content[:_LONGEST_NAME]) else None


def _data(address: str) -> bytes:
    """The bytes of a ``data:`` address (RFC 2397); empty where it is none."""
    head, _, text = address.partition(",")
    content = unquote_to_bytes(text)
    try:
        return base64.b64decode(content) if head.lower().endswith(";base64") else content
    except ValueError:
        return b""
