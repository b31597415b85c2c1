"""What a cell of a table holds: nothing, a name, a label, an image."""

from __future__ import annotations

import ast
import base64
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal

from imagist.images.addresses import data_content, is_data, is_url
from imagist.images.formats import has_image_suffix, recognise

_SEPARATOR = re.compile(r"[;,|\s]")
_BEFORE_ADDRESS = re.compile(r"[;,|\s]+(?=https?://)", re.IGNORECASE)
_LONGEST_NAME = 255  # characters; a longer text may be an image in base64
_MISSING = ("nan", "NaN", "<NA>", "NaT")  # labels that pandas and numpy write for missing ones
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WHOLE = re.compile(r"(-?\d+)\.0+", re.ASCII)  # as pandas writes whole numbers where some are missing


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

    It is the same whether a table has types or text alone: True is ``true``, 1.0 is ``1``.

    Raises:
        ValueError: It holds something else, such as 1.5.
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float | Decimal) and cell % 1 == 0:
        return str(int(cell))
    found = name(cell, column) or ""
    if whole := _WHOLE.fullmatch(found):
        return whole[1]
    return "" if found in _MISSING else _TRUTH.get(found, found)


def weight(cell: object, column: str) -> float:
    """The weight that a cell holds: a finite number above 0, as a number or as text.

    Raises:
        ValueError: It is empty, or holds something else.
    """
    try:
        found = math.nan if isinstance(cell, bool) or is_empty(cell) else float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not 0 < found < math.inf:
        shown = "nothing" if is_empty(cell) else repr(cell)
        raise ValueError(f"column {column!r} holds {shown}, and a weight is a number above 0")
    return found


def image(cell: object) -> tuple[object, bytes | None]:
    """The name and the encoded bytes of an image, each None where the cell has none.

    A cell holds a path, an address, a ``data:`` address, base64, bytes, or a struct ``{bytes, path}`` or ``{url}``;
    whatever else it holds is returned as it is in the place of the name, for the caller to judge.
    """
    name: object = cell
    content: object = None
    if isinstance(cell, Mapping):
        name, content = cell.get("path") or cell.get("url"), cell.get("bytes")
    if isinstance(name, bytes):
        content, name = name, None
    if is_data(name):
        content, name = data_content(name), None
    elif isinstance(name, str) and len(name) > _LONGEST_NAME and (decoded := _base64(name)):
        content, name = decoded, None
    return name, content if isinstance(content, bytes) and content else None


def several(cell: object) -> list[object] | None:
    """The cells of a cell that holds several images; None where it holds one.

    Several are a list, the same as JSON or as Python prints it, addresses with white space, comma, semicolon or bar
    between them, or names of images with one of these between them.
    """
    if isinstance(cell, list | tuple):
        return [*cell]
    if not isinstance(cell, str) or is_data(cell):
        return None
    text = cell.strip()
    if text.startswith("[") and text.endswith("]") and (found := _list(text)) is not None:
        return found
    if not _SEPARATOR.search(text):
        return None
    addresses = _BEFORE_ADDRESS.split(text)
    if len(addresses) > 1 and all(map(is_url, addresses)):
        return [*addresses]
    for separator in ("\n", ";", "|", ",", None):
        names = [each.strip() for each in text.split(separator) if each.strip()]
        if len(names) > 1 and all(map(has_image_suffix, names)):
            return [*names]
    return None


def _list(text: str) -> list[object] | None:
    """A list in JSON, or as Python prints it."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else None
    return None


def _base64(text: str) -> bytes | None:
    """The image that a text is the base64 of; None where it is none."""
    try:
        content = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        return None
    return content if recognise(content[:_LONGEST_NAME]) else None
