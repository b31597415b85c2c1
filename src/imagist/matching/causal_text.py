"""A causal text transformer that computes what texts have in common once, and no padding.

In CLIP's text network a token sees those before it, and the embedding is that of the last token (Radford et al. 2021).
So texts are a tree: texts with the same beginning share its tokens. Each token of the tree is computed once and sees
the tokens on its way to the root; the last layer is computed for the last tokens alone. What all texts begin with is
computed apart, before the others. For a phrase of four tokens this is some fifteen times less than all 77 places.

Shapes: n texts; T places of a text; L places that all texts have in common; S tokens of a tree; W width; H heads; D
width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from imagist.arrays import Bools, Ints

Map = Callable[[Tensor], Tensor]
Memory = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer for the tokens in common, ``[1, H, L, W / H]``."""


@dataclass(frozen=True)
class Layer:
    """One block: ``x + attention(norm(x))``, then ``x + mlp(norm(x))``.

    Attributes:
        heads: H.
        before_attention: The first norm.
        query: ``[..., W]`` to ``[..., W]``.
        key_and_value: ``[..., W]`` to ``[..., 2 W]``, keys first.
        attended: What comes after the attention, ``[..., W]`` to ``[..., W]``.
        feed_forward: The second norm, the network after it and its scale: ``[..., W]`` to ``[..., W]``.
    """

    heads: int
    before_attention: Map
    query: Map
    key_and_value: Map
    attended: Map
    feed_forward: Map

    def split(self, x: Tensor) -> Tensor:
        """``[n, S, W]`` to ``[n, H, S, W / H]``."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)

    def keys_and_values(self, inner: Tensor) -> tuple[Tensor, Tensor]:
        """Of normed states ``[n, S, W]``: both ``[n, H, S, W / H]``."""
        keys, values = self.key_and_value(inner).chunk(2, -1)
        return self.split(keys), self.split(values)

    def step(self, x: Tensor, inner: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """The states after the block, ``[n, S, W]``.

        Args:
            x: States before it, ``[n, S, W]``.
            inner: The same, normed.
            keys: Of the K tokens that may be seen, ``[n, H, K, W / H]``.
            values: The same.
            mask: bool ``[S, K]``, which of them each state sees; None is all.
        """
        found = scaled_dot_product_attention(self.split(self.query(inner)), keys, values, attn_mask=mask)
        x = x + self.attended(found.transpose(1, 2).flatten(2))
        return x + self.feed_forward(x)


@dataclass(frozen=True)
class Tree:
    """Some texts as a tree of tokens, each token after its parent.

    Attributes:
        texts: The numbers of the texts.
        tokens: int64 ``[S]``.
        places: int64 ``[S]``, the place of each in its text, behind the places that all texts have in common.
        sees: bool ``[S, S]``, itself and the tokens on the way to the root.
        ends: For each text the number of its last token.
    """

    texts: tuple[int, ...]
    tokens: Ints
    places: Ints
    sees: Bools
    ends: tuple[int, ...]


@dataclass(frozen=True)
class CausalText:
    """The network.

    Attributes:
        embed: Tokens ``[n, S]`` to ``[n, S, W]``, without their places.
        positions: ``[T, W]``.
        layers: Its blocks.
        finish: The states of the last tokens ``[n, W]`` to embeddings ``[n, D]``.
        most: Tokens of one tree; a single text may have more.
    """

    embed: Map
    positions: Tensor
    layers: Sequence[Layer]
    finish: Map
    most: int = 256

    def __call__(self, tokens: Tensor, ends: Tensor) -> Tensor:
        """Embeddings ``[n, D]``.

        Args:
            tokens: int64 ``[n, T]``.
            ends: int64 ``[n]``, the place of each text's last token.
        """
        common = common_places(tokens, ends)
        memory = self._memory(tokens[:1, :common]) if common else []
        rows = [row[common : end + 1] for row, end in zip(tokens.tolist(), ends.tolist(), strict=True)]
        made = list(trees(rows, self.most))
        found = torch.cat([self._run(tree, memory, common) for tree in made])
        order = [text for tree in made for text in tree.texts]
        return found[torch.tensor(np.argsort(order), device=found.device)]

    def _memory(self, tokens: Tensor) -> Memory:
        """Of the tokens in common ``[1, L]``."""
        x = self.embed(tokens.to(self.positions.device)) + self.positions[: tokens.shape[1]]
        sees = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        found = []
        for layer in self.layers:
            inner = layer.before_attention(x)
            found.append(layer.keys_and_values(inner))
            if len(found) < len(self.layers):
                x = layer.step(x, inner, *found[-1], sees)
        return found

    def _run(self, tree: Tree, memory: Memory, common: int) -> Tensor:
        """The embeddings of the texts of a tree, ``[n, D]``."""
        device = self.positions.device
        tokens, places, sees = (torch.from_numpy(each).to(device) for each in (tree.tokens, tree.places, tree.sees))
        mask = torch.cat([sees.new_ones(len(sees), common), sees], 1)  # [S, L + S]
        x = self.embed(tokens[None]) + self.positions[places + common]
        ends = torch.tensor(tree.ends, device=device)
        for number, layer in enumerate(self.layers):
            inner = layer.before_attention(x)
            keys, values = layer.keys_and_values(inner)
            if memory:
                keys, values = (
                    torch.cat([old, new], 2) for old, new in zip(memory[number], (keys, values), strict=True)
                )
            if number + 1 == len(self.layers):  # from here on the last tokens only
                x, inner, mask = x[:, ends], inner[:, ends], mask[ends]
            x = layer.step(x, inner, keys, values, mask)
        return self.finish(x[0])


def trees(rows: Sequence[Sequence[int]], most: int) -> Iterator[Tree]:
    """Texts as trees of tokens; those that begin alike are in one tree.

    Args:
        rows: The tokens of each text, at least one.
        most: Tokens of a tree; a single text may have more.
    """
    texts: list[int] = []
    ends: list[int] = []
    tokens: list[tuple[int, int, int]] = []  # token, place, parent
    path: list[int] = []
    before: Sequence[int] = ()
    for text in sorted(range(len(rows)), key=lambda number: tuple(rows[number])):
        shared = _same(rows[text], before)
        if shared < len(rows[text]) and tokens and len(tokens) + len(rows[text]) - shared > most:
            yield _tree(texts, ends, tokens)
            texts, ends, tokens, path, shared = [], [], [], [], 0
        path = path[:shared]
        for place in range(shared, len(rows[text])):
            tokens.append((rows[text][place], place, path[-1] if path else -1))
            path.append(len(tokens) - 1)
        texts.append(text)
        ends.append(path[-1])
        before = rows[text]
    yield _tree(texts, ends, tokens)


def _tree(texts: Sequence[int], ends: Sequence[int], tokens: Sequence[tuple[int, int, int]]) -> Tree:
    sees = np.eye(len(tokens), dtype=np.bool_)
    for number, (_, _, parent) in enumerate(tokens):
        if parent >= 0:
            sees[number] |= sees[parent]
    ids, places, _ = np.array(tokens, np.int64).T.copy()
    return Tree(tuple(texts), ids, places, sees, tuple(ends))


def _same(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def common_places(tokens: Tensor, ends: Tensor) -> int:
    """L: how many tokens all texts begin with, without the last of the shortest; 0 for a single text."""
    if len(tokens) == 1:
        return 0
    same = (tokens == tokens[:1]).all(0)
    different = (~same).nonzero()
    first = int(different[0]) if len(different) else tokens.shape[1]
    return min(first, int(ends.min()))
