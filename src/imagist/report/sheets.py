"""A folder of sheets, one an image: where it may lie, and what the sheets are called."""

from __future__ import annotations

import re
from pathlib import Path

from imagist.errors import OutputError


def make_folder(folder: Path, sources: list[str]) -> None:
    """Makes the folder where it is missing.

    Args:
        folder: For sheets.
        sources: What is read; the folder may not lie in any of them.

    Raises:
        OutputError: It lies in a source, or cannot be made.
    """
    for source in map(Path, sources):
        if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
            raise OutputError(
                f"lies in the input {source}, and what is drawn there would be read",
                item=str(folder),
                remedy="choose a folder elsewhere",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", item=str(folder)) from error


def sheet_name(number: int, source: str) -> str:
    """A file name that any system takes: the row's number, from 0, keeps it unlike all others of the run."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(source).stem).strip("-")[:60]
    return f"{number:06d}-{stem}.png" if stem else f"{number:06d}.png"
