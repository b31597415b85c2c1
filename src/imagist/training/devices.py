"""The device that training runs on."""

from __future__ import annotations

import torch


def device_of(name: str) -> torch.device:
    """The torch device of a name; ``auto`` is the accelerator if there is one, else the CPU."""
    if name != "auto":
        return torch.device(name)
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")
