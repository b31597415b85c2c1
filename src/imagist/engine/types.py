"""Arrow types of carried columns, inferred from their values: one type for all values of a column, or text.

Arrow's own inference mixes kinds (it reads the number 1 among dates as the second day of 1970). A column, and each
place inside its lists and mappings, must hold values of one kind before Arrow infers its type. Integers and floats may
mix, up to 2**53: beyond, a float would lose digits.
"""

from __future__ import annotations

import datetime as dt
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from imagist.engine.journal import Record

_EXACT = 2**53  # integers up to this value are exact as floats
_LONG = 2**63  # integers below this value fit int64


def carried_types(chunks: Iterable[list[Record]], names: Iterable[str]) -> dict[str, pa.DataType]:
    """``{column: type}`` over all chunks; text for a column without values, or with values of several kinds."""
    import pyarrow as pa

    types = dict.fromkeys(names, pa.null())
    kinds: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in types}
    for chunk in chunks:
        for name in types:
            values = [carried.get(name) for _, carried in chunk]
            for place, kind in (found for value in values for found in _kinds(value)):
                kinds[name][place].add(kind)
            types[name] = _joined(types[name], values)
    mixed = {name for name, places in kinds.items() if not all(map(_of_one_type, places.values()))}
    return {name: pa.string() if name in mixed or not _storable(kind) else kind for name, kind in types.items()}


def _of_one_type(kinds: set[str]) -> bool:
    return (len(kinds) == 1 and kinds != {"endless"}) or kinds in ({"int", "float"}, {"int", "long"})


def _kinds(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """The place in the column and the kind of each value that is not null, containers included."""
    match value:
        case None:
            return
        case list():
            yield place, "list"
            for item in value:
                yield from _kinds(item, f"{place}[]")
        case dict():
            yield place, "mapping"
            for key, item in value.items():
                yield from _kinds(item, f"{place}.{key}")
        case dt.datetime():
            yield place, f"datetime {value.tzinfo}"
        case bool() | float():
            yield place, type(value).__name__
        case int():
            yield place, "int" if abs(value) <= _EXACT else "long" if -_LONG <= value < _LONG else "endless"
        case _:
            yield place, type(value).__name__


def _joined(so_far: pa.DataType | None, values: list[Any]) -> pa.DataType | None:
    """The type that holds the values so far and these; None where there is none."""
    import pyarrow as pa

    try:
        seen = [pa.schema([("", kind)]) for kind in (so_far, pa.infer_type(values)) if so_far is not None]
        return pa.unify_schemas(seen, promote_options="permissive").types[0] if seen else None
    except (pa.ArrowException, OverflowError):
        return None


def _storable(kind: pa.DataType | None) -> bool:
    """Whether the type is not null and Parquet can hold it (it cannot hold a struct without fields)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind is None or pa.types.is_null(kind):
        return False
    try:
        pq.write_table(pa.table({"": pa.array([], kind)}), io.BytesIO())
    except pa.ArrowException:
        return False
    return True
