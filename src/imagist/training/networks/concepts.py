"""From a grid to how many people would say each phrase of the photo.

Fang et al. 2015, "From Captions to Visual Concepts and Back"; Wu et al. 2016, "What Value Do Explicit High Level
Concepts Have in Vision to Language Problems?". How it is learnt: `imagist.training.captioners.concepts`.

Shapes: N photos, L cells, D channels, G concepts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imagist.training.networks.dropout import Dropout

_UNSEEN = 0.3  # dropout of what is seen


class ConceptDetector(nn.Module):
    """Several networks over the mean and the greatest of each channel over the cells; their mean counts.

    Each learns much by heart, and each something else (Breiman 1996, "Bagging Predictors").

    Args:
        channels: D.
        concepts: G.
        members: How many networks.
        width: Of the layer between.
        dropout: On that layer; 0 to 1.

    Attributes:
        centre: Mean of what `pooled` gives over the photos it learns from, ``[2 D]``.
        spread: Standard deviation of it, ``[2 D]``.
        members: From that to logits ``[N, G]``.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int, concepts: int, members: int, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(2 * channels))
        self.register_buffer("spread", torch.ones(2 * channels))
        self.members = nn.ModuleList(
            nn.Sequential(
                Dropout(_UNSEEN),
                nn.Linear(2 * channels, width),
                nn.GELU(),
                Dropout(dropout),
                nn.Linear(width, concepts),
            )
            for _ in range(members)
        )

    def seen(self, channels: Tensor) -> Tensor:
        """What the members are given of what `pooled` gives: ``[N, 2 D]`` both."""
        return (channels - self.centre) / self.spread

    def forward(self, grid: Tensor) -> Tensor:
        """Shares of the references that are expected to have each concept, 0..1: ``[N, L, D]`` to ``[N, G]``."""
        seen = self.seen(pooled(grid))
        return torch.stack([torch.sigmoid(member(seen)) for member in self.members]).mean(0)


def pooled(grid: Tensor) -> Tensor:
    """The mean and the greatest of each channel over the cells: ``[N, L, D]`` to ``[N, 2 D]``."""
    return torch.cat([grid.mean(1), grid.amax(1)], -1)
