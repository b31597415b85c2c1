"""``python -m imagist.cli.settings_reference``: every setting of studies, recipes and fits as Markdown.

Made from the typed settings themselves: their fields, types, defaults and docstrings.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

ROOTS = {
    "Studies": ("imagist.study.config:Study", "`imagist study`; `--set fusion.weights=41` replaces a value."),
    "Captioner recipes": ("imagist.training.captioners.recipe:Recipe", "`imagist train caption`."),
    "Encoder recipes": ("imagist.training.encoders.distillation.recipe:DistillationRecipe", "`imagist train encoder`."),
    "Matcher recipes": ("imagist.training.matchers.recipe:MatcherRecipe", "`imagist train matcher`."),
    "Fits": ("imagist.training.fit.settings:FitSettings", "`imagist fit --config FIT.toml`."),
}
"""The settings that files hold: for each heading ``module:class`` and what reads it."""

_ATTRIBUTE = re.compile(r"(\w+): (.*)")


def reference() -> str:
    """The page."""
    parts = [
        "# Settings\n",
        "Every setting of the TOML files that imagist reads. A setting without a default must be there. Tables are "
        'written as `[name]`, lists of tables as `[[name]]`; a file may begin with `extends = "other.toml"`.\n',
    ]
    for heading, (place, use) in ROOTS.items():
        module, _, name = place.partition(":")
        parts += [f"## {heading}\n", f"{use}\n"]
        parts += _tables(getattr(import_module(module), name))
    return "\n".join(parts)


def _tables(root: type) -> Iterator[str]:
    """A table for a class of settings, and one for each class that its fields hold, each once."""
    waiting, done = [root], {root}
    while waiting:
        kind = waiting.pop(0)
        summary = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
        yield f"### {kind.__name__}\n\n{summary}\n"
        yield "| setting | type | default | meaning |\n|---|---|---|---|"
        hints, meanings = get_type_hints(kind, include_extras=True), attributes(kind)
        for field in fields(kind):
            cells = (f"`{field.name}`", shown(hints[field.name]), _default(field), meanings.get(field.name, ""))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
            for inner in _classes(hints[field.name]):
                if inner not in done:
                    done.add(inner)
                    waiting.append(inner)
        yield ""


def attributes(kind: type) -> dict[str, str]:
    """What the docstring of a class says of each attribute, those of its bases included."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        _, _, block = (inspect.cleandoc(each.__doc__ or "")).partition("Attributes:\n")
        name = ""
        for line in block.split("\n\n")[0].splitlines():
            if (begun := _ATTRIBUTE.fullmatch(line.strip())) and line.startswith("    ") and line[4:5] != " ":
                name, found[begun[1]] = begun[1], begun[2]
            elif name:
                found[name] += f" {line.strip()}"
    return found


def shown(hint: Any) -> str:
    """A type as people read it, with its bounds: ``whole number, at least 1``."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        bounds = [bound for mark in marks for bound in _bounds(mark)]
        return ", ".join([shown(base), *bounds])
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(shown(each) for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) in (tuple, list) or hint in (tuple, list):
        return f"list of {shown(get_args(hint)[0])}"
    if get_origin(hint) is not None:
        return "table"
    if is_dataclass(hint) and isinstance(hint, type):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return names.get(hint, "text")


def _bounds(mark: Any) -> Iterator[str]:
    for constraint in (mark, *getattr(mark, "metadata", ())):
        for name, text in (("ge", "at least"), ("gt", "over"), ("le", "at most"), ("lt", "under")):
            if (value := getattr(constraint, name, None)) is not None:
                yield f"{text} {value:g}"


def _classes(hint: Any) -> Iterator[type]:
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for inner in get_args(hint):
        yield from _classes(inner)


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        value = field.default
    elif field.default_factory is not MISSING:
        value = field.default_factory()
    else:
        return "**needed**"
    if value is None:
        return "none"
    if is_dataclass(value):
        return "its defaults"
    plain = list(value) if isinstance(value, tuple) else value
    return f"`{str(plain).lower() if isinstance(plain, bool) else plain}`" if plain not in ([], {}, "") else "empty"


if __name__ == "__main__":
    sys.stdout.write(reference())
