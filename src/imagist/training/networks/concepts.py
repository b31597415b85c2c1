"""From a grid to how many people would say each phrase of the photo.

Fang et al. 2015, "From Captions to Visual Concepts and Back"; Wu et al. 2016, "What Value Do Explicit High Level
Concepts Have in Vision to Language Problems?". How it is learnt: `imagist.training.concepts`.

Shapes: N photos, L cells, D channels, G concepts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.training.networks.dropout import Dropout

_SHOWN = 0.3  # dropout of what is seen


class ConceptDetector(nn.Module):
    """The mean and the greatest of each channel over the cells, one layer between, and a share for each concept.

    Args:
        channels: D.
        concepts: G.
        width: Of the layer between.
        dropout: On that layer; 0 to 1.

    Attributes:
        centre: Mean of what `pooled` gives over the photos it learns from, ``[2 D]``.
        spread: Standard deviation of it, ``[2 D]``.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int, concepts: int, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(2 * channels))
        self.register_buffer("spread", torch.ones(2 * channels))
        self.widen = nn.Linear(2 * channels, width)
        self.judge = nn.Linear(width, concepts)
        self.seen, self.dropout = Dropout(_SHOWN), Dropout(dropout)

    def logits(self, grid: Tensor) -> Tensor:
        """``[N, L, D]`` to ``[N, G]``."""
        seen = self.seen((pooled(grid) - self.centre) / self.spread)
        found: Tensor = self.judge(self.dropout(F.gelu(self.widen(seen))))
        return found

    def forward(self, grid: Tensor) -> Tensor:
        """Shares of the references that are expected to have each concept, 0..1: ``[N, L, D]`` to ``[N, G]``."""
        return torch.sigmoid(self.logits(grid))


def pooled(grid: Tensor) -> Tensor:
    """The mean and the greatest of each channel over the cells: ``[N, L, D]`` to ``[N, 2 D]``."""
    return torch.cat([grid.mean(1), grid.amax(1)], -1)
