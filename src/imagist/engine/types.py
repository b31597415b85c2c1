"""Arrow types of carried columns, inferred from their values: one type for all values of a column, or text.

Arrow's own inference mixes kinds (it reads the number 1 among dates as the second day of 1970). A column, and each
place inside its lists and mappings, must hold values of one kind before Arrow infers its type. Integers and floats may
mix, up to 2**53: beyond, a float would lose digits.
"""

from __future__ import annotations

import datetime as dt
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from imagist.engine.journal import Record

_EXACT = 2**53  # integers up to this value are exact as floats
_LONG = 2**63  # integers below this value fit int64


class Kinds:
    """What the values of carried columns are, over any number of rows, and the types that hold them all."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, set[str]]] = {}
        self._types: dict[str, pa.DataType | None] = {}

    def add(self, carried: Sequence[Mapping[str, object]], names: Iterable[str]) -> None:
        """Adds the values of rows in these columns."""
        import pyarrow as pa

        for name in names:
            values = [row.get(name) for row in carried]
            places = self._places.setdefault(name, defaultdict(set))
            for place, kind in (found for value in values for found in _kinds(value)):
                places[place].add(kind)
            so_far = self._types.get(name, pa.null())
            self._types[name] = _joined(so_far, _inferred(values)) if places else so_far

    def merge(self, places: Mapping[str, Mapping[str, Iterable[str]]], types: Mapping[str, pa.DataType]) -> None:
        """Adds what `places` gave for other rows, with the types of their columns."""
        import pyarrow as pa

        for name, kinds in places.items():
            mine = self._places.setdefault(name, defaultdict(set))
            so_far = self._types.get(name, pa.null())
            for place, found in kinds.items():
                mine[place] |= {*found}
            self._types[name] = _joined(so_far, types[name]) if kinds else so_far

    @property
    def places(self) -> dict[str, dict[str, list[str]]]:
        """The kinds of values of each column at each place, as JSON can hold them; no place without values."""
        return {
            name: {place: sorted(kinds) for place, kinds in places.items()} for name, places in self._places.items()
        }

    def types(self) -> dict[str, pa.DataType]:
        """``{column: type}``; text for a column without values, or with values of several kinds."""
        import pyarrow as pa

        mixed = {name for name, places in self._places.items() if not all(map(_of_one_type, places.values()))}
        return {
            name: pa.string() if name in mixed or not _storable(kind) else kind for name, kind in self._types.items()
        }


def carried_types(chunks: Iterable[list[Record]], names: Iterable[str]) -> dict[str, pa.DataType]:
    """``{column: type}`` over all chunks; text for a column without values, or with values of several kinds."""
    kinds, names = Kinds(), list(names)
    kinds.add([], names)
    for chunk in chunks:
        kinds.add([carried for _, carried in chunk], names)
    return kinds.types()


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


def _inferred(values: list[object]) -> pa.DataType | None:
    """The type that Arrow infers for values of one kind; None where there is none."""
    import pyarrow as pa

    try:
        return pa.infer_type(values)
    except (pa.ArrowException, OverflowError):
        return None


def _joined(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type that holds the values of both; None where there is none."""
    import pyarrow as pa

    if one is None or other is None or one == other:
        return one if one == other else None
    try:
        schemas = [pa.schema([("", kind)]) for kind in (one, other)]
        return pa.unify_schemas(schemas, promote_options="permissive").types[0]
    except pa.ArrowException:
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
