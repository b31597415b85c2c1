"""A figure is drawn where what it shows has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagist import __version__
from imagist.storage import write_text
from imagist.study.store import digest_of


def draw_once(draw: Callable[..., None], data: object, stem: Path, **named: Any) -> None:
    """Draws a figure, unless the very same is there; a file beside it, ``.STEM.drawn``, says what it shows.

    Args:
        draw: As those of `imagist.report.studies`: of the data, writes ``stem.png`` and ``stem.svg``.
        data: What `imagist.study.store.digest_of` takes.
        stem: Path without its suffix.
        named: Further arguments of ``draw``.

    Raises:
        ImagistError: As ``draw``.
    """
    note = stem.with_name(f".{stem.name}.drawn")
    shown = digest_of(__version__, data, named)
    made = all(stem.with_name(stem.name + suffix).is_file() for suffix in (".png", ".svg"))
    if made and note.is_file() and note.read_text("utf-8", "replace") == shown:
        return
    note.unlink(missing_ok=True)  # first: where drawing breaks off between the two files, they are not what it says
    draw(data, stem, **named)
    write_text(note, shown)
