"""Several images in one cell of a table, as programs and people write them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping

from imagist.images.addresses import is_data, is_stored, is_url
from imagist.images.formats import has_image_suffix

_BRACKETS = ("[]", "()", "{}")
_SEPARATOR = re.compile(r"[;,|\s]")
_BEFORE_ADDRESS = re.compile(r"[;,|\s]+(?=(?:https?|s3|gs|hf)://|data:image/)", re.IGNORECASE)
_ARRAY = re.compile(r"(?:\w+\.)?array\((.*?)(?:,\s*dtype=.*)?\)", re.DOTALL)
_QUOTED = r"""('(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")"""
_CALL = re.compile(rf"\b(?:\w+\.)?(?:str_|\w*Path)\({_QUOTED}\)")  # np.str_('a.jpg'), PosixPath('a.jpg')
_ITEM = re.compile(rf"""\s*+(?:{_QUOTED}\s*+|([^,;'"]++))(?:[,;]|(?=['"]|None|nan)|$)""")
_ESCAPED = re.compile(r"""\\(['"\\])""")
_NONE = {"None", "NULL", "null", "nan"}
_STRUCT = {"bytes", "path", "url"}


def several(cell: object) -> list[object] | None:
    """The cells of a cell that holds several images; None where it holds one.

    Several are a list; the same as text, in JSON or as Python, NumPy and PostgreSQL print it, in any brackets, with
    quotes or without; addresses with white space, comma, semicolon or bar between them; or names of images with one
    of these between them.
    """
    if isinstance(cell, list | tuple):
        return [*cell]
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    if array := _ARRAY.fullmatch(text):
        text = array[1].strip()
    if text[:1] + text[-1:] in _BRACKETS:
        return _bracketed(text)
    if text[:1] in {"'", '"'} and (found := _quoted(text)) and all(map(_is_image, found)):
        return found
    found = _separated(text)
    return found if len(found) > 1 else None


def _bracketed(text: str) -> list[object] | None:
    """A list in brackets; an object that is a struct of an image counts as a list of one."""
    inner = text[1:-1].strip()
    found = _parsed(text)
    if found is None:
        found = (_quoted(inner) if inner else []) or _separated(inner)
    return found if found or not inner else None


def _parsed(text: str) -> list[object] | None:
    """A list or a struct in JSON, or with a struct in it as Python prints it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if "{" not in text or ":" not in text:
            return None
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    if isinstance(found, Mapping):
        return [found] if _STRUCT & {*found} else None
    return [*found] if isinstance(found, list | tuple) else None


def _quoted(text: str) -> list[object]:
    """Quoted names with white space, comma or semicolon between them; empty where there is anything else.

    Between them may be a name without quotes, or ``None`` in place of one.
    """
    if "'" not in text and '"' not in text:
        return []
    text, place, found = _CALL.sub(r"\1", text), 0, list[object]()
    while place < len(text):
        item = _ITEM.match(text, place)
        if item is None or not (item[1] or item[2]):
            return []
        bare = item[2] and item[2].strip()
        found.append(_ESCAPED.sub(r"\1", item[1][1:-1]) if item[1] else None if bare in _NONE else bare)
        place = item.end()
    return found


def _separated(text: str) -> list[object]:
    """The names of images or addresses that a text consists of; empty where it is something else."""
    addresses = _BEFORE_ADDRESS.split(text) if _SEPARATOR.search(text) else []
    if len(addresses) > 1 and all(map(_is_address, addresses)):
        return [*addresses]
    for separator in ("\n", ";", "|", ",", None) if addresses and not is_data(text) else ():
        names = [each.strip() for each in text.split(separator) if each.strip()]
        if len(names) > 1 and all(map(has_image_suffix, names)):
            return [*names]
    return [text] if _is_image(text) else []


def _is_address(name: object) -> bool:
    return is_url(name) or is_stored(name) or is_data(name)


def _is_image(name: object) -> bool:
    return _is_address(name) or (isinstance(name, str) and has_image_suffix(name))
