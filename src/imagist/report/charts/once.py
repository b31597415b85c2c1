"""Draws a chart only if its data have changed since it was last drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagist import __version__
from imagist.storage import digest_of, write_text


def draw_once(draw: Callable[..., None], data: object, stem: Path, **named: Any) -> None:
    """Draws a chart, unless the same chart exists already; ``.STEM.drawn`` in the same folder keeps a hash of its data.

    Args:
        draw: A function of `imagist.report.charts`: draws the data and writes ``stem.png`` and ``stem.svg``.
        data: As `imagist.storage.digest_of` takes it.
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
    note.unlink(missing_ok=True)  # first: a chart that is drawn only in part must not pass for a whole one
    draw(data, stem, **named)
    write_text(note, shown)
