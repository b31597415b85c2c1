"""A causal text transformer, run without what its result does not need.

In CLIP's text network a token sees those before it, and the embedding is that of the last token (Radford et al. 2021).
So the tokens that all texts of a batch begin with are computed once, padding not at all, and the last layer for the
last token alone. For a phrase of four tokens this is some fifteen times less than all 77 places.

Shapes: n texts; T places of a text; L places that all texts have in common; S places after those; W width; H heads; D
width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Layer:
    """One block: ``x + attention(norm(x))``, then ``x + mlp(norm(x))``.

    Attributes:
        heads: H.
        before_attention: The first norm.
        query: ``[..., W]`` to ``[..., W]``.
        key: The same.
        value: The same.
        attended: What comes after the attention, ``[..., W]`` to ``[..., W]``.
        feed_forward: The second norm, the network after it and its scale: ``[..., W]`` to ``[..., W]``.
    """

    heads: int
    before_attention: Map
    query: Map
    key: Map
    value: Map
    attended: Map
    feed_forward: Map

    def split(self, x: Tensor) -> Tensor:
        """``[n, S, W]`` to ``[n, H, S, W / H]``."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)


@dataclass(frozen=True)
class CausalText:
    """The network.

    Attributes:
        embed: Tokens ``[n, S]`` to ``[n, S, W]``, without their places.
        positions: ``[T, W]``.
        layers: Its blocks.
        finish: The states of the last tokens ``[n, W]`` to embeddings ``[n, D]``.
    """

    embed: Map
    positions: Tensor
    layers: Sequence[Layer]
    finish: Map

    def __call__(self, tokens: Tensor, ends: Tensor) -> Tensor:
        """Embeddings ``[n, D]``.

        Args:
            tokens: int64 ``[n, T]``.
            ends: int64 ``[n]``, the place of each text's last token.
        """
        common = common_places(tokens, ends)
        memory = self._memory(tokens[:1, :common]) if common else []
        tokens, ends = tokens[:, common : int(ends.max()) + 1], ends - common
        places = torch.arange(tokens.shape[1], device=tokens.device)
        seen = torch.arange(common + len(places), device=tokens.device) <= places[:, None] + common  # [S, L + S]
        rows = torch.arange(len(tokens), device=tokens.device)
        x = self.embed(tokens) + self.positions[common : common + len(places)]
        for number, layer in enumerate(self.layers):
            inner = layer.before_attention(x)
            keys, values = layer.split(layer.key(inner)), layer.split(layer.value(inner))
            if memory:
                old = [each.expand(len(tokens), -1, -1, -1) for each in memory[number]]
                keys, values = torch.cat([old[0], keys], 2), torch.cat([old[1], values], 2)
            mask = seen
            if number + 1 == len(self.layers):  # from here on the last tokens only
                inner, x, mask = inner[rows, ends][:, None], x[rows, ends][:, None], seen[ends][:, None, None]
            found = scaled_dot_product_attention(layer.split(layer.query(inner)), keys, values, attn_mask=mask)
            x = x + layer.attended(found.transpose(1, 2).flatten(2))
            x = x + layer.feed_forward(x)
        return self.finish(x[:, 0])

    def _memory(self, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of each layer for the tokens in common ``[1, L]``: ``[1, H, L, W / H]``."""
        x = self.embed(tokens) + self.positions[: tokens.shape[1]]
        found = []
        for layer in self.layers:
            inner = layer.before_attention(x)
            keys, values = layer.split(layer.key(inner)), layer.split(layer.value(inner))
            found.append((keys, values))
            attended = scaled_dot_product_attention(layer.split(layer.query(inner)), keys, values, is_causal=True)
            x = x + layer.attended(attended.transpose(1, 2).flatten(2))
            x = x + layer.feed_forward(x)
        return found


def batches(tokens: Tensor, ends: Tensor, most: int) -> list[list[int]]:
    """The numbers of texts in batches of about the same length, shortest first.

    Args:
        tokens: int64 ``[n, T]``.
        ends: int64 ``[n]``, the place of each text's last token.
        most: Places of a batch, but for those that all texts have in common; one text may have more.
    """
    lengths = (ends + 1 - common_places(tokens, ends)).tolist()
    order = sorted(range(len(lengths)), key=lambda number: lengths[number])
    found: list[list[int]] = []
    for number in order:
        if found and (len(found[-1]) + 1) * lengths[number] <= most:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def common_places(tokens: Tensor, ends: Tensor) -> int:
    """L: how many tokens all texts begin with, without the last of the shortest; 0 for a single text."""
    if len(tokens) == 1:
        return 0
    same = (tokens == tokens[:1]).all(0)
    different = (~same).nonzero()
    first = int(different[0]) if len(different) else tokens.shape[1]
    return min(first, int(ends.min()))
