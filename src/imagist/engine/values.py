"""Values of carried columns as JSON, which has fewer types than Parquet, and back."""

from __future__ import annotations

import datetime as dt
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np


def encode(value: object) -> Any:
    """A value as JSON that `decode` turns back into the same value of the same type.

    JSON's own scalars and lists are kept; every other type becomes an object of one key, its type. `decode` returns a
    mapping and a map (a list of pairs with distinct keys, as Arrow returns it) as a dict, NumPy's types as Python's,
    text with lone surrogates escaped, and values of unknown types as text.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return storable(value)
        case bytes() | bytearray() | memoryview():
            return {"bytes": b64encode(value).decode("ascii")}
        case dt.datetime():
            zone = getattr(value.tzinfo, "key", None)  # of a ZoneInfo; else the offset is in the text
            return {"datetime": [(value.replace(tzinfo=None) if zone else value).isoformat(), zone, value.fold]}
        case dt.date() | dt.time():
            return {type(value).__name__: value.isoformat()}
        case dt.timedelta():
            return {"timedelta": [value.days, value.seconds, value.microseconds]}
        case Decimal():
            return {"decimal": str(value)}
        case Mapping():
            return {"mapping": {storable(str(k)): encode(v) for k, v in value.items()}}
        case np.generic() | np.ndarray():
            return encode(value.tolist())
        case list() | tuple() | set() | frozenset():
            items = list(value)
            return encode(dict(items)) if _is_map(items) else [encode(v) for v in items]
        case _:
            return storable(str(value))


def decode(value: Any) -> Any:
    """The inverse of `encode`."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if isinstance(value, dict):
        ((kind, payload),) = value.items()
        return _DECODERS[kind](payload)
    return value


def plain(value: object) -> Any:
    """A decoded value as plain JSON: bytes in base64, dates in ISO 8601, durations in seconds, NaN as null."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case bytes():
            return b64encode(value).decode("ascii")
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case Decimal():
            return str(value)
        case dict():
            return {k: plain(v) for k, v in value.items()}
        case list():
            return [plain(v) for v in value]
        case _:
            return value


def cell(value: object) -> str | None:
    """A decoded value as the text of one table cell: as `plain`, with lists and mappings in JSON."""
    value = plain(value) if not isinstance(value, float) else value
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def storable(text: str) -> str:
    """The text with lone surrogates (as in file names that are not UTF-8) escaped; any format can hold it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_map(items: list[object]) -> bool:
    keys = [item[0] for item in items if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)]
    return 0 < len(items) == len(set(keys))


def _datetime(payload: list[Any]) -> dt.datetime:
    text, zone, fold = payload
    moment = dt.datetime.fromisoformat(text).replace(fold=fold)
    return moment.replace(tzinfo=ZoneInfo(zone)) if zone else moment


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "bytes": b64decode,
    "datetime": _datetime,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda parts: dt.timedelta(*parts),
    "decimal": Decimal,
    "mapping": lambda items: {k: decode(v) for k, v in items.items()},
}
