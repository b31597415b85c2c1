"""What every caption decoder gives: a beginning, a step, and all steps of known sentences at once.

Shapes: N photos, L cells of the grid, D its channels, B beams or sentences a photo, T words, V words known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

Tensors = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]  # keys and values
_PAIR = ("keys", "values")


class CaptionDecoder(nn.Module):
    """Grid to words.

    A subclass gives `begin`, `step`, `hidden` and `say`. It says what it keeps of a photo (*memory*, ``[N, ...]``, the
    same for all beams and steps) and of each beam (*state*, ``[N, B, ...]``, new after each step); searching, sampling,
    exporting and running it know no more of it.

    Attributes:
        words: V.
        seen: Share of the cells that a step of training shows, in (0, 1]; others for each photo (Liu et al. 2022,
            "PatchDropout"). Photos are then not learnt by heart so soon.
        growing: Parts of the state that get longer with each step, and the axis of ``[N, B, ...]`` along which.
    """

    growing: Mapping[str, int] = {}

    def __init__(self, words: int, seen: float = 1.0) -> None:
        super().__init__()
        self.words, self.seen = words, seen

    def shown(self, grid: Tensor) -> tuple[Tensor, Tensor | None]:
        """The cells ``[N, l, D]`` that this step of training shows, and which ``[N, l]``; None when all of them are."""
        number = max(1, round(self.seen * grid.shape[1]))
        if not self.training or number == grid.shape[1]:
            return grid, None
        some = torch.rand(grid.shape[:2], device=grid.device).argsort(1)[:, :number]
        return grid.gather(1, some[..., None].expand(-1, -1, grid.shape[2])), some

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """Memory ``[N, ...]`` and the first state, one a photo, ``[N, ...]``, of ``[N, L, D]``."""
        raise NotImplementedError

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """One word on.

        Args:
            word: int64 ``[N, B]``, the word before.
            memory: From `begin`.
            state: From `begin`, once for each beam, or from the step before.

        Returns:
            Logits ``[N, B, V]``, attention ``[N, B, L]`` (rows sum to 1) or None, the new state.
        """
        raise NotImplementedError

    def hidden(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What `say` makes the next word of, for known sentences: ``[N, B, T, E]``, and attention ``[N, B, T, L]``.

        Args:
            grid: ``[N, L, D]``.
            words: int64 ``[N, B, T]``, B sentences a photo, each from its start.
            where: bool ``[N, B, T]``, of what will be said; what comes after the last of a sentence may be left out.
        """
        raise NotImplementedError

    def say(self, hidden: Tensor) -> Tensor:
        """``[..., E]`` to logits ``[..., V]``."""
        raise NotImplementedError

    def forward(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing.

        Args:
            grid: ``[N, L, D]``.
            words: int64 ``[N, B, T]``, B sentences a photo, each from its start.
            where: bool ``[N, B, T]``, M of them true; by default all are.

        Returns:
            Logits of the word after each, ``[N, B, T, V]``, or ``[M, V]`` where ``where`` says so; attention
            ``[N, B, T, L]`` or None.
        """
        hidden, attention = self.hidden(grid, words, where)
        return self.say(hidden if where is None else hidden[where]), attention


def beams_of(first: Tensors, beams: int) -> Tensors:
    """The first state ``[N, ...]`` for each of B beams ``[N, B, ...]``."""
    return {name: x[:, None].expand(-1, beams, *x.shape[1:]) for name, x in first.items()}


def by_layer(pairs: Iterable[Pair], prefix: str = "") -> Tensors:
    """Keys and values of each layer by name, ``keys.0`` and so on; stacked, all would be copied at each step."""
    return {f"{prefix}{name}.{i}": x for i, pair in enumerate(pairs) for name, x in zip(_PAIR, pair, strict=True)}


def of_layer(tensors: Tensors, layer: int, prefix: str = "") -> Pair:
    """What `by_layer` named."""
    keys, values = (tensors[f"{prefix}{name}.{layer}"] for name in _PAIR)
    return keys, values


def growing_by_layer(layers: int) -> dict[str, int]:
    """`CaptionDecoder.growing` of keys and values ``[N, B, H, t, F]`` of so many layers."""
    return {f"{name}.{i}": 3 for i in range(layers) for name in _PAIR}
