"""Checkpoints: written atomically, read without unpickling code; a hash of weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from imagist.errors import DataError
from imagist.storage import atomic_write


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes tensors, numbers and strings; if the process is killed, the previous file remains."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as scratch:
        torch.save(state, scratch)


def load(path: Path) -> dict[str, Any] | None:
    """Reads what `save` wrote; None if there is no file.

    Raises:
        DataError: The file cannot be read.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise DataError(
            f"unreadable checkpoint ({type(error).__name__})", item=str(path), remedy="delete it to start again"
        ) from error
    return state


def weights_key(module: nn.Module) -> str:
    """A sha256 over all weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    return digest.hexdigest()
