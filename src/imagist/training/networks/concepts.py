"""Detects concepts: predicts from a grid which share of an image's captions contains each phrase.

Fang et al. 2015, "From Captions to Visual Concepts and Back"; Wu et al. 2016, "What Value Do Explicit High Level
Concepts Have in Vision to Language Problems?". Trained by `imagist.training.captioners.concepts`.

Shapes: N images, L cells, D channels, G concepts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imagist.training.networks.dropout import Dropout

_INPUT_DROPOUT = 0.3


class ConceptDetector(nn.Module):
    """An ensemble of networks over each channel's mean and maximum; the mean of their predictions is used.

    Each member overfits in its own way, and the mean less (Breiman 1996, "Bagging Predictors").

    Args:
        channels: D.
        concepts: G.
        members: Number of networks.
        hidden_size: Units of the hidden layer.
        dropout: On the hidden layer; 0 to 1.

    Attributes:
        mean: Mean of the pooled features over the training images, ``[2 D]``.
        std: Standard deviation of the same, ``[2 D]``.
        members: From standardised pooled features to logits ``[N, G]``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, concepts: int, members: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * channels))
        self.register_buffer("std", torch.ones(2 * channels))
        self.members = nn.ModuleList(
            nn.Sequential(
                Dropout(_INPUT_DROPOUT),
                nn.Linear(2 * channels, hidden_size),
                nn.GELU(),
                Dropout(dropout),
                nn.Linear(hidden_size, concepts),
            )
            for _ in range(members)
        )

    def standardised(self, features: Tensor) -> Tensor:
        """The input of the members, from pooled features: both ``[N, 2 D]``."""
        return (features - self.mean) / self.std

    def forward(self, grid: Tensor) -> Tensor:
        """Expected share of captions that contain each concept, 0 to 1: ``[N, L, D]`` to ``[N, G]``."""
        features = self.standardised(pooled(grid))
        return torch.stack([torch.sigmoid(member(features)) for member in self.members]).mean(0)


def pooled(grid: Tensor) -> Tensor:
    """Mean and maximum of each channel over the cells: ``[N, L, D]`` to ``[N, 2 D]``."""
    return torch.cat([grid.mean(1), grid.amax(1)], -1)
