"""Networks that map a grid to the prefix of a language model.

Source: Mokady et al. 2021, "ClipCap: CLIP Prefix for Image Captioning", section 3.2.

Shapes: N images, L cells, D channels, P tokens of the prefix, E their width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imagist.training.networks.dropout import Dropout
from imagist.training.networks.transformer import GridLayer


class PooledMapping(nn.Module):
    """``[N, L, D]`` to ``[N, P, E]``: the mean of the grid through two layers (ClipCap's MLP)."""

    def __init__(self, channels: int, prefix_length: int, width: int, dropout: float) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, prefix_length * width // 2)
        self.out = nn.Linear(prefix_length * width // 2, prefix_length * width)
        self.prefix_length = prefix_length
        self.dropout = Dropout(dropout)

    def forward(self, grid: Tensor, some: Tensor | None = None) -> Tensor:
        """As the class says; ``some`` is ignored."""
        wide = self.dropout(torch.tanh(self.widen(self.dropout(grid.mean(1)))))
        tokens: Tensor = self.out(wide).unflatten(-1, (self.prefix_length, -1))
        return tokens


class QueriesMapping(nn.Module):
    """``[N, L, D]`` to ``[N, P, E]``: learned queries and the cells in a Transformer (ClipCap's other mapping).

    Each token of the prefix attends to other cells.
    """

    def __init__(
        self, channels: int, cells: int, prefix_length: int, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, width)
        self.places = nn.Parameter(torch.randn(cells, width) * 0.02)
        self.queries = nn.Parameter(torch.randn(prefix_length, width) * width**-0.5)
        self.layers = nn.ModuleList(GridLayer(width, heads, dropout) for _ in range(layers))
        self.dropout = Dropout(dropout)

    def forward(self, grid: Tensor, some: Tensor | None = None) -> Tensor:
        """As the class says; ``some`` ``[N, L]`` are the indices of the cells, if not all are given."""
        cells = self.dropout(self.reduce(grid) + (self.places if some is None else self.places[some]))
        x = torch.cat([self.queries.expand(grid.shape[0], -1, -1), cells], 1)
        for layer in self.layers:
            x = layer(x)
        return x[:, : self.queries.shape[0]]
