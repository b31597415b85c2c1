"""`transformer`: a small Transformer decoder over grid features, with cached keys and values.

Shapes: N images, L cells, D channels, B captions or beams, T words, V words of the vocabulary, E width, M layers,
H heads, F = E / H.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.training.networks.decoder import CaptionDecoder, Tensors, by_layer, growing_by_layer, of_layer
from imagist.training.networks.dropout import Dropout
from imagist.training.networks.packing import EVERY, Packing, causal, up_to_last


def attend(query: Tensor, key: Tensor, value: Tensor, causally: bool = False) -> tuple[Tensor, Tensor]:
    """Attention: queries ``[..., T, F]``, keys and values ``[..., t, F]`` to ``[..., T, F]``, weights ``[..., T, t]``.

    Written out because on a CPU the backward pass of torch's fused operator takes ten times its forward pass.
    """
    scores = query @ key.transpose(-2, -1) * key.shape[-1] ** -0.5
    weights = torch.softmax(causal(scores) if causally else scores, -1)
    return weights.to(value.dtype) @ value, weights


class Feed(nn.Module):
    """The feed-forward block after each attention, with its norm first."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., E]`` to the same."""
        y: Tensor = self.dropout(self.narrow(self.dropout(F.gelu(self.widen(self.norm(x))))))
        return x + y


class Layer(nn.Module):
    """A decoder layer, norms first: self-attention of words, cross-attention to cells, feed-forward."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, 3 * width)
        self.own_out = nn.Linear(width, width)
        self.cross_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.cross_out = nn.Linear(width, width)
        self.feed = Feed(width, dropout)
        self.dropout = Dropout(dropout)

    def split(self, x: Tensor) -> Tensor:
        """``[..., T, E]`` to ``[..., H, T, F]``."""
        return x.view(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).transpose(-3, -2)

    def among_words(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None, packing: Packing = EVERY
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Self-attention of ``[N, B, T, E]``, or packed: causal, or of one word over itself and the past."""
        query, key, value = (self.split(part) for part in packing.wide(self.own(self.norm(x))).chunk(3, -1))
        if past is not None:
            key, value = torch.cat([past[0], key], -2), torch.cat([past[1], value], -2)
        seen, _ = attend(query, key, value, past is None)
        seen = packing.packed(seen.transpose(-3, -2).flatten(-2))
        return x + self.dropout(self.own_out(seen)), (key, value)

    def over_cells(self, x: Tensor, keys: Tensor, values: Tensor, packing: Packing = EVERY) -> tuple[Tensor, Tensor]:
        """Cross-attention of ``[N, B, T, E]``, or packed, over ``[N, H, L, F]``; and its weights ``[N, B, T, L]``."""
        query = packing.wide(self.query(self.cross_norm(x)))
        n, b, t, _ = query.shape
        seen, weights = attend(self.split(query.flatten(1, 2)), keys, values)
        seen = packing.packed(seen.transpose(-3, -2).flatten(-2).view(n, b, t, -1))
        return x + self.dropout(self.cross_out(seen)), weights.mean(1).view(n, b, t, -1)


class GridLayer(nn.Module):
    """An encoder layer over the grid: self-attention of cells, feed-forward."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed = Feed(width, dropout)
        self.dropout = Dropout(dropout)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """``[N, L, E]`` to the same."""
        parts = self.own(self.norm(x)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        seen = attend(query, key, value)[0].transpose(1, 2).flatten(-2)
        y: Tensor = self.feed(x + self.dropout(self.out(seen)))
        return y


class TransformerDecoder(CaptionDecoder):
    """Norm-first Transformer (Vaswani et al. 2017; Xiong et al. 2020), its output tied to its embedding.

    The mean of the grid is prepended to the caption as if it were a word.

    Args:
        words: V.
        channels: D.
        cells: L.
        width: E.
        layers: M, decoder layers.
        grid_layers: Encoder layers over the cells.
        heads: H, a divisor of E.
        max_length: Maximum number of words in a caption, without the end.
        dropout: On the grid, the embedding and each branch; 0 to 1.
        patch_keep_rate: As `CaptionDecoder`.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        *,
        cells: int = 49,
        width: int = 384,
        layers: int = 3,
        grid_layers: int = 1,
        heads: int = 6,
        max_length: int = 24,
        dropout: float = 0.3,
        patch_keep_rate: float = 1.0,
    ) -> None:
        super().__init__(words, patch_keep_rate)
        self.growing = growing_by_layer(layers)
        self.reduce = nn.Linear(channels, width)
        self.places = nn.Parameter(torch.randn(cells, width) * 0.02)
        self.grid_layers = nn.ModuleList(GridLayer(width, heads, dropout) for _ in range(grid_layers))
        self.grid_norm = nn.LayerNorm(width)
        self.cells = nn.Linear(width, 2 * width * layers)
        self.embedding = nn.Embedding(words, width)
        self.times = nn.Parameter(torch.randn(max_length + 2, width) * 0.02)
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """Keys and values of each layer: of the cells ``[N, H, L, F]``, and of the mean ``[N, H, 1, F]``."""
        memory, mean = self._cells(grid)
        x, past = mean[:, None, None] + self.times[0], []
        for i, layer in enumerate(self._layers()):
            x, pair = layer.among_words(x, None)
            x = layer.feed(layer.over_cells(x, *of_layer(memory, i, "cell_"))[0])
            past.append((pair[0][:, 0], pair[1][:, 0]))
        return memory, by_layer(past)

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step`; keys and values ``[N, B, H, t, F]`` grow by one."""
        time = state["keys.0"].shape[3]
        x = (self.embedding(word) + self.times[time])[:, :, None]
        pairs = []
        for i, layer in enumerate(self._layers()):
            x, pair = layer.among_words(x, of_layer(state, i))
            x, attention = layer.over_cells(x, *of_layer(memory, i, "cell_"))
            x = layer.feed(x)
            pairs.append(pair)
        return self.logits(self.norm(x[:, :, 0])), attention[:, :, 0], by_layer(pairs)

    def hidden_states(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden_states`, all words at once."""
        return self._read(*self._cells(grid), words, where)

    def _read(self, memory: Tensors, mean: Tensor, words: Tensor, where: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """`hidden_states` from what `_cells` returns."""
        first = mean[:, None, None].expand(-1, words.shape[1], -1, -1)
        packing = EVERY if where is None else Packing(up_to_last(F.pad(where, (1, 0), value=True)))
        x = torch.cat([first, self.dropout(self.embedding(words))], 2) + self.times[: words.shape[2] + 1]
        x = packing.packed(x)
        for i, layer in enumerate(self._layers()):
            x, _ = layer.among_words(x, None, packing)
            x, attention = layer.over_cells(x, *of_layer(memory, i, "cell_"), packing)
            x = layer.feed(x)
        return packing.wide(self.dropout(self.norm(x)))[:, :, 1:], attention[:, :, 1:]

    def logits(self, hidden: Tensor) -> Tensor:
        """As `CaptionDecoder.logits`."""
        return F.linear(hidden, self.embedding.weight, self.bias)

    def _layers(self) -> list[Layer]:
        return list(self.layers)  # type: ignore[arg-type]

    def _cells(self, grid: Tensor) -> tuple[Tensors, Tensor]:
        """Keys and values of the cells for each layer, and the mean of the grid ``[N, E]``."""
        return self._keys_and_values(self._places(grid))

    def _places(self, grid: Tensor) -> Tensor:
        """The cells that are kept, each with its place: ``[N, l, E]``."""
        grid, some = self.drop_patches(grid)
        kept: Tensor = self.dropout(self.reduce(grid) + (self.places if some is None else self.places[some]))
        return kept

    def _keys_and_values(self, x: Tensor) -> tuple[Tensors, Tensor]:
        """Rows ``[N, l, E]`` through the encoder layers, to keys and values for each layer and the mean ``[N, E]``."""
        for layer in self.grid_layers:
            x = layer(x)
        x = self.grid_norm(x)
        parts = self.cells(x).unflatten(-1, (2, len(self.layers), self.layers[0].heads, -1))
        keys, values = parts.permute(2, 3, 0, 4, 1, 5)
        return by_layer(zip(keys, values, strict=True), "cell_"), x.mean(1)
