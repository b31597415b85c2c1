"""A folder of drawn sheets, one an image: where it may be, and the names of the sheets."""

from __future__ import annotations

import re
from pathlib import Path

from imagist.errors import OutputError


def make_folder(folder: Path, sources: list[str]) -> None:
    """Makes the folder if it is missing.

    Args:
        folder: The folder of the sheets.
        sources: The inputs of the run; the folder may not be inside any of them.

    Raises:
        OutputError: It is inside an input, or cannot be made.
    """
    for source in map(Path, sources):
        if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
            raise OutputError(
                f"is inside the input {source}, so the sheets would be read as images",
                item=str(folder),
                remedy="choose a folder elsewhere",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", item=str(folder)) from error


def sheet_name(number: int, source: str) -> str:
    """A file name that is valid on any system and unique by the row's number, from 0."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(source).stem).strip("-")[:60]
    return f"{number:06d}-{stem}.png" if stem else f"{number:06d}.png"
