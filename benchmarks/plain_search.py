"""A straightforward beam search in eager PyTorch, one photo at a time with lists of hypotheses, as tutorials write it.

It knows nothing of `imagist.captioning.decoding` but keeps to the same rules: both must say the same.

Shapes: B hypotheses, L cells, D channels, V words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import inf
from operator import itemgetter

import torch
from torch import Tensor

from imagist.training.networks.decoder import CaptionDecoder, Tensors


@dataclass(frozen=True)
class Rules:
    """What a sentence may be, and when a search is over.

    Attributes:
        start: The word that every sentence begins after.
        end: The word that ends it.
        suppressed_tokens: Words that are never generated.
        beam: B.
        max_length: Most words of a sentence.
        power: Sentences are ranked by log-probability / words ** power.
        together: The hypotheses of a photo go through the decoder as a batch.
        cached: A step reads the last word alone, with what the steps before left it; else the whole sentence so far.
    """

    start: int
    end: int
    suppressed_tokens: tuple[int, ...]
    beam: int
    max_length: int
    power: float
    together: bool = True
    cached: bool = True


@torch.no_grad()
def plain_search(decoder: CaptionDecoder, grid: Tensor, rules: Rules) -> list[int]:
    """The best sentence of one photo ``[1, L, D]``: the ids of its words."""
    memory, first = decoder.begin(grid)
    state = {name: x[:, None] for name, x in first.items()}
    hypotheses, ended = [(0.0, [rules.start])], []
    for t in range(rules.max_length):
        if rules.cached:
            last = torch.tensor([[words[-1] for _, words in hypotheses]])
            logits, state = (_all if rules.together else _one_by_one)(decoder, last, memory, state)
        else:
            logits = _anew(decoder, torch.tensor([[words for _, words in hypotheses]]), grid)
        logits[:, list(rules.suppressed_tokens)] = -inf
        scores = torch.log_softmax(logits, -1)
        for row, (_, words) in enumerate(hypotheses):
            scores[row, words[-1] if t else rules.end] = -inf  # no empty sentence, and no word twice in a row
        totals = scores + torch.tensor([total for total, _ in hypotheses])[:, None]
        best, places = totals.flatten().topk(min(2 * rules.beam, totals.numel()))
        following, parents = [], []
        for rank, (total, place) in enumerate(zip(best.tolist(), places.tolist(), strict=True)):
            if total == -inf:
                break
            parent, word = divmod(place, totals.shape[1])
            words = hypotheses[parent][1]
            if word == rules.end and rank < rules.beam:
                ended.append((total / t**rules.power, words[1:]))
            elif word != rules.end and len(following) < rules.beam:
                following.append((total, [*words, word]))
                parents.append(parent)
        hypotheses, state = following, {name: x[:, parents] for name, x in state.items()}
        if not hypotheses or len(ended) >= rules.beam:
            break
        within_reach = hypotheses[0][0] / rules.max_length**rules.power
        if ended and max(ended)[0] >= within_reach:
            break
    else:
        ended += [(total / rules.max_length**rules.power, words[1:]) for total, words in hypotheses]
    return max(ended, key=itemgetter(0))[1]


@contextmanager
def grid_read_once(decoder: CaptionDecoder) -> Iterator[None]:
    """Within it, a decoder that reads a sentence anew makes its keys and values of a photo's cells only once.

    Written around `torch.nn.TransformerDecoder`, searches make them at each step; so this one is no worse than any.
    """
    methods = [name for name in ("begin", "_cells") if hasattr(decoder, name)]
    for name in methods:
        setattr(decoder, name, cache(getattr(decoder, name)))
    try:
        yield
    finally:
        for name in methods:
            delattr(decoder, name)


def _anew(decoder: CaptionDecoder, words: Tensor, grid: Tensor) -> Tensor:
    hidden, _ = decoder.hidden_states(grid, words)
    return decoder.logits(hidden[0, :, -1])


def _all(decoder: CaptionDecoder, last: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
    logits, _, state = decoder.step(last, memory, state)
    return logits[0], state


def _one_by_one(decoder: CaptionDecoder, last: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
    own = [{name: x[:, b : b + 1] for name, x in state.items()} for b in range(last.shape[1])]
    found = [decoder.step(last[:, b : b + 1], memory, own[b]) for b in range(last.shape[1])]
    new = {name: torch.cat([after[name] for _, _, after in found], 1) for name in state}
    return torch.cat([logits for logits, _, _ in found], 1)[0], new
