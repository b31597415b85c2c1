"""Settings from TOML files: typed, frozen dataclasses that pydantic validates; one error lists all faults of a file.

Fields are annotated with pydantic's types where they have bounds::

    @dataclass(frozen=True)
    class CrossEntropy:
        epochs: PositiveInt = 10
        learning_rate: PositiveFloat = 1e-3
        label_smoothing: Share = 0.1

Types are strict: ``"1"`` and ``1.0`` are no integers. TOML has no null: a field that may be None is None where the file
leaves it out.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from imagist.errors import ImagistError, UsageError

T = TypeVar("T")

Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""

PartialShare = Annotated[float, Field(ge=0, lt=1)]
"""A number from 0 to 1, without 1: a dropout rate, a decay."""

PositiveShare = Annotated[float, Field(gt=0, le=1)]
"""A number from 0 to 1, without 0."""

_SHOWN = 60  # characters of a wrong value that a message repeats
_TABLES = {"dataclass_type", "dataclass_exact_type", "dict_type", "mapping_type"}  # errors: a table was expected


def read(path: Path, kind: type[T], overrides: Sequence[str] = ()) -> T:
    """Reads the settings of a TOML file.

    Args:
        path: The file; UTF-8. Its key ``extends`` may name another file, relative to this one, which provides the
            settings that this file leaves out. Tables are merged, lists replaced.
        kind: The dataclass to make. Settings that the file leaves out keep their defaults.
        overrides: Settings that replace those of the file, such as ``cross_entropy.epochs=3``, with the value in TOML.
            A value that is not TOML is text: ``backbone.name=mobilenet`` needs no quotes.

    Raises:
        UsageError: The file cannot be read, or settings are unknown, missing, of a wrong type or out of bounds. The
            message lists all faults by their dotted names; positions in lists count from 0.
    """
    table = _extended(Path(path), ())
    faults = []
    for text in overrides:
        try:
            table = _merged(table, _override(text))
        except (ValueError, RecursionError) as error:
            faults.append(f"override {text!r} is not of the form name=value: {error}")
    return _validated(table, kind, str(path), faults)


def located(folder: str, name: Path) -> Path:
    """The file of settings that a user names: a path, or the bare name of one that ships.

    Args:
        folder: Of the shipped ones: ``studies``, ``captioners``, ``embedded``.
        name: A path, or a name such as ``best``.

    Raises:
        UsageError: A bare name of none; the remedy lists the names.
    """
    if name.suffix or len(name.parts) > 1 or name.exists():
        return name
    places = (Path(__file__).parent / "configs", Path(__file__).parents[2] / "configs")  # of a wheel, of a checkout
    found = {file.stem: file for place in places for file in sorted((place / folder).glob("*.toml"))}
    if str(name) not in found:
        remedy = f"a file, or one of {', '.join(sorted(found))}"
        raise UsageError("no such settings", item=str(name), remedy=remedy)
    return found[str(name)]


def from_table(table: Mapping[str, Any], kind: type[T], item: str) -> T:
    """Validates a table that has been read already; errors call it ``item``.

    Raises:
        UsageError: As `read`.
    """
    return _validated(table, kind, item, [])


def to_toml(config: object) -> str:
    """Formats a dataclass as TOML from which `read` makes an equal one. Fields that are None are left out.

    Raises:
        UsageError: A text cannot be encoded as UTF-8.
    """
    return "".join(f"{line}\n" for line in _lines(_plain(config), "")).lstrip("\n")


def _extended(path: Path, extending: tuple[Path, ...]) -> dict[str, Any]:
    """The tables of a file, merged into those of the file that it extends."""
    if path.resolve() in extending:
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
    return _merged(_extended(path.parent / base, (*extending, path.resolve())), table)


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


def _merged(table: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    both = [key for key in more if isinstance(table.get(key), dict) and isinstance(more[key], dict)]
    return {**table, **more, **{key: _merged(table[key], more[key]) for key in both}}


_adapter = cache(TypeAdapter)


def _validated(table: Mapping[str, Any], kind: type[T], item: str, faults: list[str]) -> T:
    """Makes the dataclass; ``faults`` are those found before."""
    try:
        # As JSON: pydantic's strict mode then makes dataclasses of tables, tuples of lists and paths of text.
        made: T = _adapter(kind).validate_json(  # type: ignore[arg-type]
            json.dumps(table, default=str), strict=True, extra="forbid"
        )
    except ValidationError as error:
        faults = faults + _told(error.errors(include_url=False), table, kind)
    if len(faults) == 1:
        raise UsageError(faults[0], item=item)
    if faults:
        raise UsageError("\n  ".join([f"{len(faults):,} faults", *faults]), item=item)
    return made


def _told(errors: Sequence[ErrorDetails], table: Mapping[str, Any], kind: type) -> list[str]:
    """One message for each setting at fault; a value that fits no type of a union is one fault."""
    wanted: dict[str, list[str]] = {}
    values: dict[str, object] = {}
    faults: list[str] = []
    for error in errors:
        place = _place(error["loc"], table, missing=error["type"] == "missing")
        context = error.get("ctx", {})
        match error["type"]:
            case "unexpected_keyword_argument":
                faults.append(f"{place}: no such setting; {_hint(place, [*_names(kind, '')])}")
            case "missing":
                faults.append(f"{place}: missing")
            case "union_tag_invalid":
                key = str(context["discriminator"]).strip("'")
                wanted[f"{place}.{key}"] = [f"one of {context['expected_tags']}"]
                values[f"{place}.{key}"] = context["tag"]
            case "union_tag_not_found":
                faults.append(f"{place}.{str(context['discriminator']).strip(chr(39))}: missing")
            case "value_error":
                faults.append(_refused(context["error"], place, error["input"]))
            case type_ if type_ in _TABLES or error["msg"].startswith("Input should be "):
                text = "a table" if type_ in _TABLES else error["msg"].removeprefix("Input should be ")
                wanted.setdefault(place, []).append(text)
                values[place] = error["input"]
            case _:
                faults.append(f"{place}: {error['msg'][:1].lower()}{error['msg'][1:]}")
    return faults + [
        f"{place}: must be {' or '.join(dict.fromkeys(texts))}, not {_shown(values[place])}"
        for place, texts in wanted.items()
    ]


def _place(location: tuple[int | str, ...], table: object, *, missing: bool) -> str:
    """The dotted name of a location, without pydantic's labels for the members of unions."""
    name, value = "", table
    for number, part in enumerate(location):
        if isinstance(part, int):
            name += f"[{part}]"
            value = value[part] if isinstance(value, (list, tuple)) and part < len(value) else None
        elif isinstance(value, Mapping) and part in value:
            name, value = _dotted(name, part), value[part]
        elif missing and number == len(location) - 1:
            name = _dotted(name, part)
    return name


def _names(kind: Any, outer: str) -> Iterator[str]:
    """The dotted names of all settings of a type; those within lists have no index."""
    if not is_dataclass(kind):
        for member in get_args(kind):
            yield from _names(member, outer)
        return
    for name, hint in get_type_hints(kind).items():
        dotted = f"{outer}.{name}" if outer else name
        yield dotted
        yield from _names(hint, dotted)


def _hint(place: str, names: Sequence[str]) -> str:
    table, _, key = re.sub(r"\[\d+\]", "", place).rpartition(".")
    parted = [name.rpartition(".") for name in names]
    beside = list(dict.fromkeys(name for outer, _, name in parted if outer == table and name != key))
    near = get_close_matches(key, beside, 1) or [
        f"{outer}.{name}" for outer, _, name in parted if name == key and outer not in ("", table)
    ]
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(beside) or 'none'}"


def _refused(error: Exception, place: str, given: object) -> str:
    """What a class's own ``__post_init__`` raised; an error that names a field is a fault of that field."""
    text = str(error)
    if isinstance(error, ImagistError):
        text = error.message + (f" ({error.remedy})" if error.remedy else "")
        place = _dotted(place, error.item) if error.item else place
    return f"{place}: {text}" if place else text


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _dotted(name: str, key: str) -> str:
    key = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key, name)
    return f"{name}.{key}" if name else key


def _plain(value: Any) -> Any:
    """A setting in TOML's own types."""
    if is_dataclass(value):
        items = [(field.name, getattr(value, field.name)) for field in fields(value) if field.init]
        return {name: _plain(each) for name, each in items if each is not None}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


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
        case str():
            return _text(value, name)
        case int() | float():
            return repr(value)
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
