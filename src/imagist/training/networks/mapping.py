"""What turns a grid into the prefix of a language model.

Source: Mokady et al. 2021, "ClipCap: CLIP Prefix for Image Captioning", section 3.2.

Shapes: N photos, L cells, D channels, P tokens of the prefix, E their width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imagist.training.networks.dropout import Dropout
from imagist.training.networks.transformer import GridLayer


class PooledMapping(nn.Module):
    """``[N, L, D]`` to ``[N, P, E]``: the mean of the grid through two layers (ClipCap's MLP)."""

    def __init__(self, channels: int, prefix: int, width: int, dropout: float) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, prefix * width // 2)
        self.out = nn.Linear(prefix * width // 2, prefix * width)
        self.prefix = prefix
        self.dropout = Dropout(dropout)

    def forward(self, grid: Tensor, some: Tensor | None = None) -> Tensor:
        """As the class says; ``some`` is nothing to it."""
        wide = self.dropout(torch.tanh(self.widen(self.dropout(grid.mean(1)))))
        tokens: Tensor = self.out(wide).unflatten(-1, (self.prefix, -1))
        return tokens


class QueriesMapping(nn.Module):
    """``[N, L, D]`` to ``[N, P, E]``: learned queries beside the cells in a Transformer (ClipCap's other mapping).

    So each token of the prefix looks for cells of its own, where the mean of the grid is the same for all.
    """

    def __init__(
        self, channels: int, cells: int, prefix: int, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, width)
        self.places = nn.Parameter(torch.randn(cells, width) * 0.02)
        self.queries = nn.Parameter(torch.randn(prefix, width) * width**-0.5)
        self.layers = nn.ModuleList(GridLayer(width, heads, dropout) for _ in range(layers))
        self.dropout = Dropout(dropout)

    def forward(self, grid: Tensor, some: Tensor | None = None) -> Tensor:
        """As the class says; ``some`` tells which cells these are, ``[N, L]``, if not all."""
        cells = self.dropout(self.reduce(grid) + (self.places if some is None else self.places[some]))
        x = torch.cat([self.queries.expand(grid.shape[0], -1, -1), cells], 1)
        for layer in self.layers:
            x = layer(x)
        return x[:, : self.queries.shape[0]]
