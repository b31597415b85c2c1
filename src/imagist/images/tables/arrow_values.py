"""Arrow's values as Python's, which has fewer: none is lost, and none costs another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow import Array, DataType, Scalar

_PLAIN = frozenset((bool, int, float, str, bytes, type(None)))


def python_values(column: Array[Any]) -> list[object]:
    """The values of a column.

    Nanoseconds are cut off times. A time that Python cannot hold (of the year 10000, say) is its text, or its number
    where it has none; one in an unknown zone is in UTC. Text that is not UTF-8 is the error.
    """
    from pyarrow import ArrowException

    try:
        return list(column.cast(_in_microseconds(column.type), safe=False).to_pylist())
    except (ArrowException, ValueError, OverflowError):
        return [_value(scalar) for scalar in column]


def replaced(value: Any) -> tuple[Any, UnicodeDecodeError | None]:
    """A value of `python_values` with U+FFFD for bytes that are not UTF-8, and the first error in it, if any."""
    if isinstance(value, UnicodeDecodeError):
        return value.object.decode("utf-8", "replace"), value
    if not isinstance(value, dict | list | tuple):
        return value, None
    inner = value.values() if isinstance(value, dict) else value
    if _PLAIN.issuperset(map(type, inner)):  # as nearly all are
        return value, None
    items = [replaced(each) for each in inner]
    error = next((error for _, error in items if error), None)
    if error is None:
        return value, None
    texts = [text for text, _ in items]
    return (dict(zip(value, texts, strict=True)) if isinstance(value, dict) else type(value)(texts)), error


def _in_microseconds(kind: DataType) -> DataType:
    """A type with every unit of nanoseconds in it, at any depth of structs and lists, as one of microseconds."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_struct(kind):
        return pa.struct([field.with_type(_in_microseconds(field.type)) for field in kind])
    if types.is_list(kind) or types.is_large_list(kind):
        inner = kind.value_field.with_type(_in_microseconds(kind.value_type))
        return pa.large_list(inner) if types.is_large_list(kind) else pa.list_(inner)
    if types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    return pa.duration("us") if types.is_duration(kind) and kind.unit == "ns" else kind


def _value(scalar: Scalar[Any]) -> Any:
    """One value, alone, of any type."""
    from pyarrow import ArrowException, types

    kind = scalar.type
    if not scalar.is_valid:
        return None
    if types.is_dictionary(kind):
        return _value(scalar.value)
    if types.is_struct(kind):
        return {name: _value(scalar[name]) for name in dict.fromkeys(field.name for field in kind)}
    if types.is_nested(kind):
        values = [_value(each) for each in scalar.values]
        return [(each["key"], each["value"]) for each in values] if types.is_map(kind) else values
    try:
        return scalar.cast(_in_microseconds(kind), safe=False).as_py()
    except UnicodeDecodeError as error:
        return error
    except (ArrowException, ValueError, OverflowError):
        return _time(scalar)


def _time(scalar: Scalar[Any]) -> Any:
    """A time that Python cannot hold."""
    import pyarrow as pa

    kind = scalar.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return _value(pa.scalar(scalar.value, pa.timestamp(kind.unit, None if kind.tz == "UTC" else "UTC")))
    try:
        text = str(scalar.cast(pa.string()).as_py())
    except (pa.ArrowException, ValueError):
        text = "<"
    return str(scalar.value) if text.startswith("<") else text  # <value out of range: ...>
