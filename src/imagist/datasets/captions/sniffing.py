"""The beginning of a file, by which its format is known."""

from __future__ import annotations

import json
from pathlib import Path

from imagist.errors import DataError

_BYTES = 1 << 16
_PARQUET = b"PAR1"


def head_of(path: Path, remedy: str | None = None) -> bytes:
    """The first 64 KiB of a file.

    Raises:
        DataError: No such file, or it cannot be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise DataError(reason, item=str(path), remedy=remedy) from error
    if not head.strip():
        raise DataError("the file is empty", item=str(path), remedy=remedy)
    return head


def text_of(head: bytes) -> str:
    """It as text, from the first character that is not white space."""
    return head.decode("utf-8-sig", "replace").lstrip()


def is_parquet(path: Path, head: bytes) -> bool:
    """Whether it is Parquet, or claims to be."""
    return head.startswith(_PARQUET) or path.suffix.lower() == ".parquet"


def are_json_lines(path: Path, text: str) -> bool:
    """Whether it is JSONL by its suffix, or has several lines and an object in the first.

    Args:
        path: The file.
        text: Its beginning.
    """
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return True
    line, _, rest = text.partition("\n")
    try:
        return bool(rest.strip()) and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
