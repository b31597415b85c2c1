"""The error tree is what the head of the file draws, and its leaves travel."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from imagist import errors
from imagist.errors import ImagistError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, ImagistError)]


def drawn():
    """``{name: parent}`` as the docstring draws it."""
    tree, path = {}, []
    for line in inspect.cleandoc(errors.__doc__).split("\n\n")[1].splitlines():
        if found := re.match(r"([ │├└─]*)(\w+)", line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            tree[found[2]] = path[depth - 1] if depth else "Exception"
    return tree


def test_the_tree_is_as_drawn():
    assert drawn() == {c.__name__: c.__bases__[0].__name__ for c in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_says_what_it_is(cls):
    assert cls.__doc__
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", cls("x").kind)


def test_kinds_differ():
    assert len({c("x").kind for c in CLASSES}) == len(CLASSES)
    assert errors.CorruptImage("x").kind == "corrupt_image"


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_keep_everything(cls, travel):
    error = cls("is broken", item="a.jpg", remedy="mend it")
    other = travel(error)
    assert type(other) is cls
    assert other is not error
    assert (other.message, other.item, other.remedy) == ("is broken", "a.jpg", "mend it")
    assert str(other) == str(error)


@pytest.mark.parametrize(
    ("item", "remedy", "text"),
    [
        (None, None, "is broken"),
        ("a.jpg", None, "a.jpg: is broken"),
        (None, "mend it", "is broken (mend it)"),
        ("a.jpg", "mend it", "a.jpg: is broken (mend it)"),
    ],
)
def test_the_text_names_item_and_remedy(item, remedy, text):
    assert str(ImagistError("is broken", item=item, remedy=remedy)) == text
