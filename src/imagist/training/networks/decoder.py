"""The interface of caption decoders: a first state, one step, and teacher forcing of whole captions.

Shapes: N images, L cells of the grid, D channels, B beams or captions per image, T words, V words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

Tensors = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]  # keys and values
_PAIR = ("keys", "values")


class CaptionDecoder(nn.Module):
    """From a grid to words.

    A subclass implements `begin`, `step`, `hidden_states` and `logits`. It decides what it keeps of an image (*memory*,
    ``[N, ...]``, the same for all beams and steps) and of each beam (*state*, ``[N, B, ...]``, new after each step).
    Search, sampling and export treat both as opaque.

    Attributes:
        words: V.
        patch_keep_rate: Share of the grid's cells that a training step keeps, in (0, 1]; drawn anew for each image (Liu
            et al. 2022, "PatchDropout"). It delays the memorisation of the training images.
        growing: Tensors of the state that grow with each step, and the axis of ``[N, B, ...]`` along which they do.
    """

    growing: Mapping[str, int] = {}

    def __init__(self, words: int, patch_keep_rate: float = 1.0) -> None:
        super().__init__()
        self.words, self.patch_keep_rate = words, patch_keep_rate

    def drop_patches(self, grid: Tensor) -> tuple[Tensor, Tensor | None]:
        """The cells ``[N, l, D]`` that a training step keeps, and their indices ``[N, l]``; None if all are kept."""
        number = max(1, round(self.patch_keep_rate * grid.shape[1]))
        if not self.training or number == grid.shape[1]:
            return grid, None
        some = torch.rand(grid.shape[:2], device=grid.device).argsort(1)[:, :number]
        return grid.gather(1, some[..., None].expand(-1, -1, grid.shape[2])), some

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """The memory ``[N, ...]`` and the first state ``[N, ...]`` of grids ``[N, L, D]``."""
        raise NotImplementedError

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """Predicts the next word.

        Args:
            word: int64 ``[N, B]``, the previous word.
            memory: From `begin`.
            state: From `begin`, repeated for each beam (`beams_of`), or from the previous step.

        Returns:
            Logits ``[N, B, V]``, attention ``[N, B, L]`` (rows sum to 1) or None, the new state.
        """
        raise NotImplementedError

    def hidden_states(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Hidden states of known captions, input of `logits`: ``[N, B, T, E]``; and attention ``[N, B, T, L]``.

        Args:
            grid: ``[N, L, D]``.
            words: int64 ``[N, B, T]``, B captions per image, each with its start.
            where: bool ``[N, B, T]``, the states that are needed; those after a caption's last may be anything.
        """
        raise NotImplementedError

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits ``[..., V]`` of hidden states ``[..., E]``."""
        raise NotImplementedError

    def forward(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing.

        Args:
            grid: ``[N, L, D]``.
            words: int64 ``[N, B, T]``, B captions per image, each with its start.
            where: bool ``[N, B, T]``, M of them true; selects the logits. By default all.

        Returns:
            Logits of the next words, ``[N, B, T, V]``, or ``[M, V]`` with ``where``; attention
            ``[N, B, T, L]`` or None.
        """
        hidden, attention = self.hidden_states(grid, words, where)
        return self.logits(hidden if where is None else hidden[where]), attention


def beams_of(first: Tensors, beams: int) -> Tensors:
    """Repeats the first state ``[N, ...]`` for each of B beams: ``[N, B, ...]``."""
    return {name: x[:, None].expand(-1, beams, *x.shape[1:]) for name, x in first.items()}


def by_layer(pairs: Iterable[Pair], prefix: str = "") -> Tensors:
    """Names the keys and values of each layer, ``keys.0`` and so on; a stacked tensor would be copied at each step."""
    return {f"{prefix}{name}.{i}": x for i, pair in enumerate(pairs) for name, x in zip(_PAIR, pair, strict=True)}


def of_layer(tensors: Tensors, layer: int, prefix: str = "") -> Pair:
    """The keys and values of one layer, as `by_layer` named them."""
    keys, values = (tensors[f"{prefix}{name}.{layer}"] for name in _PAIR)
    return keys, values


def growing_by_layer(layers: int) -> dict[str, int]:
    """`CaptionDecoder.growing` for keys and values ``[N, B, H, t, F]`` of a number of layers."""
    return {f"{name}.{i}": 3 for i in range(layers) for name in _PAIR}
