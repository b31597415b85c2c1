"""Sentences to read, steps in a row, and some captions learned by heart, for the tests of single decoders."""

from __future__ import annotations

import torch
from torch import nn

from imagist.captioning.decoding import END, START, Decoding, generate
from imagist.training.captioners.evaluator import TorchBeams
from imagist.training.captioners.vocabulary import SPECIAL, WordVocabulary
from imagist.training.networks.decoder import beams_of

CAPTIONS = [[3, 4, 5], [3, 4, 5, 6, 7, 8], [9, 4, 10], [9, 11, 3, 12, 13]]  # three begin as another does


def sentences(number, beams, length, words, start=START):
    """Random word ids ``[N, B, T]`` after the start, without special words."""
    ids = torch.randint(3, words, (number, beams, length))
    ids[:, :, 0] = start
    return ids


@torch.no_grad()
def by_steps(decoder, grid, words):
    """Logits ``[N, B, T, V]`` as the search would get them."""
    memory, first = decoder.begin(grid)
    state, logits = beams_of(first, words.shape[1]), []
    for t in range(words.shape[2]):
        out, _, state = decoder.step(words[:, :, t], memory, state)
        logits.append(out)
    return torch.stack(logits, 2)


def padded(captions):
    """Word ids ``[N, 1, T]`` of captions, from start to end, the shorter ones padded with ends."""
    max_length = max(map(len, captions)) + 2
    return torch.tensor([[[START, *ids, *[END] * (max_length - 1 - len(ids))]] for ids in captions])


def learn(decoder, grid, words, *, steps=200, rate=5e-3):
    """Cross-entropy up to the first end; the last loss."""
    learned = [p for p in decoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=rate, weight_decay=0)
    goal = words[:, :, 1:]
    counts = (goal == END).cumsum(-1) <= (goal == END).long()
    decoder.train()
    for _ in range(steps):
        logits, _ = decoder(grid, words[:, :, :-1], counts)
        loss = nn.functional.cross_entropy(logits, goal[counts])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(loss.detach())


def said(decoder, grid, max_length=18):
    """The likeliest word after word ``[T]`` of each photo; a caption that does not end has ``longest`` words."""
    vocabulary = WordVocabulary((*SPECIAL, *(f"w{i}" for i in range(3, decoder.words))))
    beams = TorchBeams(decoder.eval(), grid, 1, vocabulary)
    found = generate(beams, len(grid), Decoding(beam=1, max_length=max_length))
    return [best[0].words.tolist() for best in found]
