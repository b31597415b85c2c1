"""Sentences of different lengths without what fills them up to the longest, and what a word may look at.

Shapes: N photos, B sentences a photo, T words of the longest, M words of all, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Packing:
    """Between ``[N, B, T, E]``, which attention wants, and ``[M, E]``, on which all else takes half the time.

    Args:
        words: bool ``[N, B, T]``, M of them true; None where nothing is to be packed.
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


def up_to_last(words: Tensor) -> Tensor:
    """True up to and with the last true of each row: bool of the same shape ``[..., T]``."""
    return words.long().flip(-1).cumsum(-1).flip(-1) > 0


def causal(scores: Tensor) -> Tensor:
    """Scores ``[..., T, t]``, -inf where a word would look at one after it; the last of each stand together."""
    rows, columns = scores.shape[-2:]
    if rows == 1:
        return scores
    later = torch.ones(rows, columns, dtype=torch.bool, device=scores.device).triu(columns - rows + 1)
    return scores.masked_fill(later, -torch.inf)
