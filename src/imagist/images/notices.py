"""What is left out of the inputs on purpose, said once: a warning of the logger ``imagist.images``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

NOTICES = logging.getLogger("imagist.images")

_MOST = 10_000
_said: set[str] = set()


def notice(message: str, *, item: str, remedy: str, once: str | None = None) -> None:
    """Logs a warning, each only once in a process.

    Args:
        message: What is left out, in one sentence.
        item: The file or folder that it is in.
        remedy: What the reader can do about it.
        once: What warnings are the same by; their text where it is None.
    """
    text = f"{item}: {message} ({remedy})"
    if (once or text) not in _said and len(_said) < _MOST:
        _said.add(once or text)
        NOTICES.warning("%s", text)


def notice_of_archives(names: Sequence[str], folder: str) -> None:
    """Logs a warning of archives in a folder, on disk or in a store; none where there are none."""
    notice_of("archives in this folder", names, item=folder, remedy="name them as sources, too")


def notice_of(kind: str, names: Sequence[str], *, item: str, remedy: str) -> None:
    """Logs a warning of what is not read; none where that is nothing.

    Args:
        kind: What it is, in the plural.
        names: Each of it.
        item: The file or folder that it is in.
        remedy: What the reader can do about it.
    """
    if names:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        notice(f"{kind} are not read: {names[0]}{more}", item=item, remedy=remedy)
