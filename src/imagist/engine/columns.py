"""The names of carried columns in the output table."""

from __future__ import annotations

from collections.abc import Iterable


def carried_names(carried: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """What each carried column is called in the output.

    A column keeps its name unless the output has one of its own by that name; then it becomes ``input.<name>``, with
    one more ``input.`` for as long as that is the name of yet another column.
    """
    carried, own = list(carried), set(own)
    taken = own | set(carried)
    names = {}
    for name in carried:
        new = name
        while new in own or (new != name and new in taken):
            new = f"input.{new}"
        taken.add(new)
        names[name] = new
    return names
