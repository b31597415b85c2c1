"""Sentences of different lengths without what fills them up, and what a word may look at.

Shapes: N photos, B sentences a photo, T words of the longest, M words of all, E width; m sentences that still speak.
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


class Steps(Packing):
    """`Packing` in the order in which sentences are said together: all first words, then all second ones.

    Sentences stand in the order of their length, the longest first, so that those with a word at a step are the first
    of those that had one at the step before.

    Args:
        words: bool ``[N, B, T]``, M of them true, in each row all up to its length.

    Attributes:
        places: Of each sentence in this order its place among the ``N * B`` as they came, int64 ``[N * B]``.
        photos: Of each its photo, int64 ``[N * B]``.
        speaking: How many have a word at each of T steps; M in all.
    """

    def __init__(self, words: Tensor) -> None:
        super().__init__(words)
        rows = words.flatten(0, 1)
        self.places = rows.sum(-1).argsort(descending=True, stable=True)
        self.photos = self.places // words.shape[1]
        self.speaking: list[int] = rows.sum(0).tolist()
        times, order = rows[self.places].T.nonzero(as_tuple=True)
        self.index = self.places[order] * words.shape[2] + times


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
