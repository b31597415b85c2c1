"""Name to part: built-ins and plugins come through the same door.

A plugin names itself in its own package's metadata, as an entry point of a group such as ``imagist.captioners``:

    [project.entry-points."imagist.captioners"]
    mine = "my_package.captioner:load"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from imagist.errors import UnknownName

BUILT_IN: dict[str, dict[str, str]] = {
    "captioners": {
        "attention": "imagist.captioning.backends.stepwise:from_model",
        "blip": "imagist.captioning.backends.blip:from_model",
        "blip2": "imagist.captioning.backends.blip2:from_model",
        "git": "imagist.captioning.backends.git:from_model",
        "lstm": "imagist.captioning.backends.stepwise:from_model",
        "prefix-gpt2": "imagist.captioning.backends.stepwise:from_model",
        "recorded": "imagist.captioning.backends.recorded:from_model",
        "transformer": "imagist.captioning.backends.stepwise:from_model",
    },
    "text_classifiers": {"bag": "imagist.classifiers.text.bag:from_bundle"},
    "image_classifiers": {"linear": "imagist.classifiers.image.linear:from_bundle"},
}


def names(kind: str) -> list[str]:
    """Every name of a kind (``captioners``, ``text_classifiers``, ``image_classifiers``), sorted."""
    return sorted({*BUILT_IN[kind], *(point.name for point in _plugins(kind))})


def find(kind: str, name: str) -> Callable[..., Any]:
    """The factory that a name stands for; its module is imported now and not before.

    Raises:
        UnknownName: Nothing of that name; the remedy lists what there is.
    """
    for point in _plugins(kind):
        if point.name == name:
            return point.load()  # type: ignore[no-any-return]
    target = BUILT_IN[kind].get(name)
    if target is None:
        raise UnknownName(f"no {kind} of that name", item=name, remedy=f"one of {', '.join(names(kind))}")
    module, attribute = target.split(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]


def _plugins(kind: str) -> list[EntryPoint]:
    return [point for point in entry_points(group=f"imagist.{kind}") if point.name not in BUILT_IN[kind]]
