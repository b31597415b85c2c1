"""Captions of different lengths without their padding, and causal masks.

Shapes: N images, B captions per image, T words of the longest, M words in all, E width; m captions that have not ended.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Packing:
    """Converts between ``[N, B, T, E]``, for attention, and ``[M, E]`` without padding, for all other layers.

    Args:
        words: bool ``[N, B, T]``, M of them true; None packs nothing.
    """

    def __init__(self, words: Tensor | None) -> None:
        self.shape = None if words is None else words.shape
        self.index = None if words is None else words.flatten().nonzero()[:, 0]

    def packed(self, x: Tensor) -> Tensor:
        """``[N, B, T, E]`` to ``[M, E]``."""
        return x if self.index is None else x.flatten(0, 2).index_select(0, self.index)

    def wide(self, x: Tensor) -> Tensor:
        """``[M, E]`` to ``[N, B, T, E]``, zeros elsewhere."""
        if self.index is None or self.shape is None:
            return x
        rows = x.new_zeros(self.shape.numel(), x.shape[-1]).index_copy(0, self.index, x)
        return rows.view(*self.shape, x.shape[-1])


EVERY = Packing(None)


class Steps(Packing):
    """A `Packing` by steps: the first words of all captions, then all second words, and so on.

    Captions are sorted by length, the longest first: those that have a word at a step are the first of those that had
    one at the previous step.

    Args:
        words: bool ``[N, B, T]``, M of them true, in each row those up to its length.

    Attributes:
        places: Index of each sorted caption among the ``N * B`` captions, int64 ``[N * B]``.
        images: Index of the image of each sorted caption, int64 ``[N * B]``.
        running: Number of captions that have a word at each of T steps; M in all.
    """

    def __init__(self, words: Tensor) -> None:
        super().__init__(words)
        rows = words.flatten(0, 1)
        self.places = rows.sum(-1).argsort(descending=True, stable=True)
        self.images = self.places // words.shape[1]
        self.running: list[int] = rows.sum(0).tolist()
        times, order = rows[self.places].T.nonzero(as_tuple=True)
        self.index = self.places[order] * words.shape[2] + times


def up_to_last(words: Tensor) -> Tensor:
    """True up to and including the last true of each row: bool of the same shape ``[..., T]``."""
    return words.long().flip(-1).cumsum(-1).flip(-1) > 0


def causal(scores: Tensor) -> Tensor:
    """Masks scores ``[..., T, t]`` of future words with -inf; both axes end with the same word."""
    rows, columns = scores.shape[-2:]
    if rows == 1:
        return scores
    later = torch.ones(rows, columns, dtype=torch.bool, device=scores.device).triu(columns - rows + 1)
    return scores.masked_fill(later, -torch.inf)
