"""Dropout that is cheap on a CPU."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """As ``nn.Dropout``, with the probability rounded to 1/256 on a CPU.

    PyTorch draws one number per element on one core, which takes as long as all matrix products of a small decoder.
    Here eight elements share one 64-bit number of SFC64, seeded from torch's generator.

    Args:
        p: Share of elements that become 0; the others are multiplied by ``1 / (1 - p)``.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """From any shape to the same."""
        threshold = round(256 * self.p)
        if not self.training or not threshold:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        seed = int(torch.randint(2**62, ()).item())
        drawn = np.random.SFC64(seed).random_raw(-(-x.numel() // 8)).view(np.uint8)[: x.numel()]
        kept = torch.from_numpy(drawn >= threshold).view(x.shape)
        return x * kept.to(x.dtype).mul_(256 / (256 - threshold))

    def extra_repr(self) -> str:
        """Shown by ``print``."""
        return f"p={self.p}"
