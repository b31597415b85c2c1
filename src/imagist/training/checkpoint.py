"""Where a long run stands, on disk: written whole or not at all, read without unpickling code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from imagist.errors import DataError
from imagist.storage import atomic_write


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes tensors, numbers and strings; a kill leaves the file before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as scratch:
        torch.save(state, scratch)


def load(path: Path) -> dict[str, Any] | None:
    """What `save` wrote, or None where there is nothing yet.

    Raises:
        DataError: The file is there and cannot be read.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise DataError(
            f"unreadable checkpoint ({type(error).__name__})", item=str(path), remedy="delete it to begin anew"
        ) from error
    return state
