"""What a cell of a table holds: nothing, a name, a label, an image."""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from imagist.images.addresses import base64_content, data_content, is_data
from imagist.images.formats import MAGIC_BYTES, begins_like_image, has_image_suffix

_SHORTEST = 32  # characters of a text that may be an encoded image
_NONE = {"nan", "none", "null", "nat", "na", "n/a", "#n/a", "<na>", "-"}  # in place of an image
_MISSING = ("nan", "NaN", "<NA>", "NaT")  # labels that pandas and numpy write for missing ones
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WHOLE = re.compile(r"(-?\d+)(?:\.0+)?", re.ASCII)  # 1.0 is how pandas writes 1 where some are missing


def is_empty(cell: object) -> bool:
    """Whether a cell is missing: None, NaN (as pandas writes it), or blank text."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def stands_for_none(name: str) -> bool:
    """Whether a text in place of an image says that there is none, such as ``None`` or ``N/A``."""
    return name.strip().lower() in _NONE


def name(cell: object, column: str | None) -> str | None:
    """The name that a cell holds, a whole number too, also 1.0 for 1; None where it is empty.

    Raises:
        ValueError: It holds something else.
    """
    if is_empty(cell):
        return None
    if isinstance(cell, str) or (isinstance(cell, int) and not isinstance(cell, bool)):
        return str(cell).strip()
    if isinstance(cell, float | Decimal) and cell % 1 == 0:
        return str(int(cell))
    raise ValueError(f"column {column!r} holds {type(cell).__name__}, not a name")


def label(cell: object, column: str) -> str:
    """The label that a cell holds: a name, ``true`` or ``false``, or a whole number; empty where there is none.

    It is the same whether a table has types or text alone: True is ``true``, 1.0 is ``1``, -0 is ``0``.

    Raises:
        ValueError: It holds something else, such as 1.5.
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    found = name(cell, column) or ""
    if whole := _WHOLE.fullmatch(found):
        return whole[1] if whole[1].strip("-0") else whole[1].lstrip("-")
    return "" if found in _MISSING else _TRUTH.get(found, found)


def spelling(label: str) -> str:
    """What labels have in common that differ by case, white space, invisible characters or accents' forms alone."""
    shown = "".join(each for each in unicodedata.normalize("NFKC", label) if unicodedata.category(each) != "Cf")
    return " ".join(shown.casefold().split())


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

    A cell holds a path, an address, a ``data:`` address, bytes, these as text in base64, in hexadecimal or as Python
    prints them, or a struct ``{bytes, path}`` or ``{url}``; whatever else it holds is returned as it is in the place
    of the name, for the caller to judge.
    """
    name: object = cell
    content: object = None
    if isinstance(cell, Mapping):
        name, content = cell.get("path") or cell.get("url"), cell.get("bytes")
    if isinstance(name, bytes):
        content, name = name, None
    if is_data(name):
        content, name = data_content(name), None
    elif (
        isinstance(name, str)
        and not content
        and len(name) >= _SHORTEST
        and not has_image_suffix(name)
        and (decoded := _decoded(name))
    ):
        content, name = decoded, None
    return name, content if isinstance(content, bytes) and content else None


def _decoded(text: str) -> bytes | None:
    """The image that a text holds: base64, hexadecimal, or bytes as Python prints them; None where it holds none."""
    for read in (base64_content, _hexadecimal, _printed):
        try:
            content = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if begins_like_image(content[:MAGIC_BYTES]):
            return content
    return None


def _hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text.strip().removeprefix("\\x").removeprefix("0x"))


def _printed(text: str) -> bytes:
    text = text.strip()
    content = ast.literal_eval(text) if text.startswith(("b'", 'b"')) else b""
    return content if begins_like_image(content[:MAGIC_BYTES]) else base64_content(content.decode("ascii"))
