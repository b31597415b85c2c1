"""Settings from a TOML file: nested frozen dataclasses, checked once, all faults of a file told together.

A setting is a bool, int, float, str, Path, ``Literal``, ``tuple``, ``dict[str, ...]``, dataclass, ``Any``, or a union
of these; bounds are metadata of its field::

    @dataclass(frozen=True)
    class Words:
        epochs: int = field(default=10, metadata={"least": 1})
        rate: float = field(default=1e-3, metadata={"above": 0, "most": 1})

TOML has no null: a setting that may be None is None by its absence.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from operator import ge, gt, le, lt
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from imagist.errors import ImagistError, UsageError

T = TypeVar("T")

_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "least": (">=", ge),
    "above": (">", gt),
    "most": ("<=", le),
    "below": ("<", lt),
}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path", Any: "anything"}
_FLOATS = 2**1023  # whole numbers below are floats, too
_SHOWN = 60  # most characters of a wrong value that a message repeats


def read(path: Path, kind: type[T], overrides: Sequence[str] = ()) -> T:
    """The settings that a TOML file holds.

    Args:
        path: The file; UTF-8. Paths in it stay as they are written, but for ``extends`` at its top: another such file,
            looked for beside this one, whose settings hold where this one has none. Tables are joined, lists replaced.
        kind: A dataclass. A table that leaves out settings leaves them at their defaults: those of the field that
            holds the table, where it has any, else those of the table's own class.
        overrides: Settings that go before the file's, such as ``words.epochs=3`` with the value in TOML; a value that
            is not TOML is text, so that ``model.name=mobilenet`` needs no quotes. Tables are joined, lists replaced.

    Raises:
        UsageError: The file cannot be read, or settings are at fault: unknown, missing, of a wrong type or out of
            bounds, all of them, each with its dotted name (places in a list count from 0).
    """
    table = _extended(Path(path), ())
    reader = _Reader()
    for text in overrides:
        try:
            table = _joined(table, _override(text))
        except (ValueError, RecursionError) as error:
            reader.faults.append(f"override {text!r} is not of the form name=value: {error}")
    return reader.whole(table, kind, str(path))


def from_table(table: Mapping[str, Any], kind: type[T], item: str) -> T:
    """The same from a table that is read already, named ``item`` in errors.

    Raises:
        UsageError: As `read`.
    """
    return _Reader().whole(table, kind, item)


def to_toml(config: object) -> str:
    """The settings of a dataclass as TOML that `read` turns into an equal one; what is None is left out.

    Raises:
        UsageError: A setting is None where its absence would mean something else, or is text that UTF-8 cannot hold.
    """
    return "".join(f"{line}\n" for line in _lines(_plain(config, ""), "")).lstrip("\n")


def _extended(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    """The tables of a file over those of the file that it extends."""
    if path.resolve() in below:
        raise UsageError("extends itself, in a circle", item=str(path), remedy="leave out one extends")
    try:
        table = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", item=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read as TOML: {error}", item=str(path)) from error
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise UsageError(f"extends: must be the name of a file, not {_shown(base)}", item=str(path))
    return _joined(_extended(path.parent / base, (*below, path.resolve())), table)


class _Reader:
    """Turns TOML's values into those of the declared types and gathers what is wrong with them.

    Where a method noted a fault, what it returns is of no use.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []

    def whole(self, table: Mapping[str, Any], kind: type[T], item: str) -> T:
        made: T = self._record(table, kind, "", None)
        if len(self.faults) == 1:
            raise UsageError(self.faults[0], item=item)
        if self.faults:
            lines = [f"{len(self.faults):,} faults", *(f"  {fault}" for fault in self.faults)]
            raise UsageError("\n".join(lines), item=item)
        return made

    def value(self, given: Any, kind: Any, name: str, bounds: Mapping[str, Any], default: object = None) -> Any:
        """One setting; ``default`` is where a table that leaves settings out takes them from."""
        origin, of = get_origin(kind), get_args(kind)
        if kind is Any:
            return given
        if origin in (Union, UnionType):
            return self._union(given, [each for each in of if each is not NoneType], name, bounds, default)
        if origin is tuple and isinstance(given, list):
            return self._tuple(given, of, name, bounds)
        if origin in (dict, Mapping) and isinstance(given, Mapping):
            return {
                self.value(key, of[0], _dotted(name, key), {}): self.value(each, of[1], _dotted(name, key), bounds)
                for key, each in given.items()
            }
        if is_dataclass(kind) and isinstance(given, Mapping):
            return self._record(given, kind, name, default)
        if kind is Path and isinstance(given, str) and given:
            return Path(given)
        whole = kind is float and type(given) is int and abs(given) < _FLOATS
        value = float(given) if whole else given
        fits = _one_of(value, of) if origin is Literal else type(value) is kind and _within(value, bounds)
        if not fits:
            self.faults.append(f"{name}: must be {_told(kind, bounds)}, not {_shown(given)}")
        return value

    def _record(self, table: Mapping[str, Any], kind: Any, name: str, default: object) -> Any:
        before, hints = len(self.faults), get_type_hints(kind)
        wanted = {field.name: field for field in fields(kind) if field.init}
        default = default if type(default) is kind else None
        for key in (key for key in table if key not in wanted):
            self.faults.append(f"{_dotted(name, key)}: no such setting; {_nearest(key, [*wanted], hints)}")
        values = {}
        for key, field in wanted.items():
            start = _default(field, hints[key]) if default is None else getattr(default, key)
            if key in table:
                values[key] = self.value(table[key], hints[key], _dotted(name, key), field.metadata, start)
            elif start is MISSING:
                self.faults.append(f"{_dotted(name, key)}: missing; it is {_told(hints[key], field.metadata)}")
            else:
                values[key] = start
        if len(self.faults) > before:
            return None
        try:
            return kind(**values)
        except (ImagistError, ValueError) as error:  # what the class checks itself
            self.faults.append(_refused(error, name, wanted))
            return None

    def _union(self, given: Any, kinds: list[Any], name: str, bounds: Mapping[str, Any], default: object) -> Any:
        tables = [kind for kind in kinds if is_dataclass(kind) and isinstance(given, Mapping)]
        kinds = tables or kinds
        readers = [_Reader() for _ in kinds]
        tried = [reader.value(given, kind, name, bounds, default) for reader, kind in zip(readers, kinds, strict=True)]
        fitting = [value for reader, value in zip(readers, tried, strict=True) if not reader.faults]
        if fitting:
            return next((value for value in fitting if type(value) is type(given)), fitting[0])
        if tables or len(kinds) == 1:
            order = range(len(kinds))
            best = min(order, key=lambda i: (_mistagged(given, kinds[i]), len(readers[i].faults)))
            self.faults += readers[best].faults
        else:
            told = " or ".join(_told(kind, bounds) for kind in kinds)
            self.faults.append(f"{name}: must be {told}, not {_shown(given)}")
        return None

    def _tuple(self, given: list[Any], of: tuple[Any, ...], name: str, bounds: Mapping[str, Any]) -> Any:
        kinds = [of[0]] * len(given) if of[1:] == (...,) else [*of]
        if len(kinds) != len(given):
            self.faults.append(f"{name}: must be a list of {len(kinds)}, not of {len(given)}")
            return None
        pairs = enumerate(zip(given, kinds, strict=True))
        return tuple(self.value(each, kind, f"{name}[{i}]", bounds) for i, (each, kind) in pairs)


def _default(field: Field[Any], kind: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if NoneType in get_args(kind) else MISSING


def _within(value: object, bounds: Mapping[str, Any]) -> bool:
    if type(value) not in (int, float):
        return True
    return value == value and all(
        holds(value, bounds[bound]) for bound, (_, holds) in _BOUNDS.items() if bound in bounds
    )


def _one_of(value: object, choices: tuple[Any, ...]) -> bool:
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _mistagged(table: Any, kind: Any) -> int:
    """How many of a class's `Literal` settings the table gives another value: it was not meant for that class."""
    hints = get_type_hints(kind) if is_dataclass(kind) else {}
    literal = {key: get_args(hint) for key, hint in hints.items() if get_origin(hint) is Literal}
    return sum(key in table and not _one_of(table[key], choices) for key, choices in literal.items())


def _told(kind: Any, bounds: Mapping[str, Any]) -> str:
    """What is wanted, in words."""
    origin, of = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_told(each, bounds) for each in of if each is not NoneType)
    if origin is Literal:
        return ("one of " if len(of) > 1 else "") + ", ".join(map(_shown, of))
    if origin is tuple:
        return "a list"
    if is_dataclass(kind) or origin in (dict, Mapping):
        return "a table"
    if kind not in _NAMES:
        raise TypeError(f"a setting cannot be of type {kind}")
    signs = [f"{sign} {bounds[bound]}" for bound, (sign, _) in _BOUNDS.items() if bound in bounds]
    return _NAMES[kind] + (" " + " and ".join(signs) if signs and kind in (int, float) else "")


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _nearest(key: str, names: list[str], hints: Mapping[str, Any]) -> str:
    deeper = [
        f"{outer}.{inner.name}" for outer in names if is_dataclass(hints[outer]) for inner in fields(hints[outer])
    ]
    near = get_close_matches(key, names, 1) or [name for name in deeper if name.endswith(f".{key}")]
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names) or 'none'}"


def _refused(error: Exception, name: str, wanted: Mapping[str, object]) -> str:
    if isinstance(error, ImagistError) and error.item in wanted:
        place, told = _dotted(name, str(error.item)), error.message
        told += f" ({error.remedy})" if error.remedy else ""
    else:
        place, told = name, str(error)
    return f"{place}: {told}" if place else told


def _override(text: str) -> dict[str, Any]:
    if "=" not in text:
        raise ValueError("no value")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        key, _, value = text.partition("=")
        if value.lstrip().startswith(("'", '"', "[", "{")):  # meant as TOML
            raise
        return tomllib.loads(f"{key} = {_text(value.strip(), key.strip())}")


def _joined(table: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    both = [key for key in more if isinstance(table.get(key), dict) and isinstance(more[key], dict)]
    return {**table, **more, **{key: _joined(table[key], more[key]) for key in both}}


def _dotted(name: str, key: str) -> str:
    key = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key, name)
    return f"{name}.{key}" if name else key


def _plain(value: Any, name: str, default: object = None) -> Any:
    """A setting as TOML's own types."""
    if is_dataclass(value):
        hints = get_type_hints(type(value))
        default = default if type(default) is type(value) else None
        table = {}
        for field in (field for field in fields(value) if field.init):
            key, held = field.name, getattr(value, field.name)
            start = _default(field, hints[key]) if default is None else getattr(default, key)
            if held is not None or start is not None:
                table[key] = _plain(held, _dotted(name, key), start)
        return table
    if isinstance(value, Mapping):
        return {key: _plain(each, _dotted(name, key)) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(each, f"{name}[{i}]") for i, each in enumerate(value)]
    if value is None:
        raise UsageError("None cannot be written as TOML: without the setting its default would hold", item=name)
    return value


def _lines(table: Mapping[str, Any], name: str) -> Iterator[str]:
    tables = {key: [each] for key, each in table.items() if isinstance(each, dict)}
    lists = {key: each for key, each in table.items() if isinstance(each, list) and {*map(type, each)} == {dict}}
    for key, each in table.items():
        if key not in tables and key not in lists:
            yield f"{_dotted('', key)} = {_inline(each, _dotted(name, key))}"
    for key, several in {**tables, **lists}.items():
        place = _dotted(name, key)
        for each in several:
            yield from ("", f"[[{place}]]" if key in lists else f"[{place}]")
            yield from _lines(each, place)


def _inline(value: Any, name: str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | Path():
            return _text(str(value), name)
        case int() | float():
            return repr(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case list():
            return f"[{', '.join(_inline(each, f'{name}[{i}]') for i, each in enumerate(value))}]"
        case dict():
            items = (f"{_dotted('', key)} = {_inline(each, _dotted(name, key))}" for key, each in value.items())
            return f"{{{', '.join(items)}}}"
    raise TypeError(f"{name}: a setting cannot be of type {type(value)}")


def _text(text: str, name: str) -> str:
    """A basic string of TOML."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UsageError(f"{text!r} cannot be written as UTF-8", item=name)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'
