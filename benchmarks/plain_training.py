"""The `tutorial` captioner as the tutorials write and train it: word by word, eager, float32, one caption an item.

Source: TensorFlow's "Image captioning with visual attention" of 2019 (``CNN_Encoder``, ``BahdanauAttention``,
``RNN_Decoder``, ``train_step``), in PyTorch.

Shapes: N photos or captions, L cells, D channels, B beams, S sentences, T words, V words known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Halves, Ints
from imagist.training.networks.decoder import CaptionDecoder, Tensors

BATCH = 64  # captions; the tutorial's


class PlainDecoder(CaptionDecoder):
    """Embed 256, GRU 512, additive attention 512, FC 512, FC; a dense layer of 256 over the grid.

    Args:
        words: V.
        channels: D.
        keys_once: Compare cells with the state by keys that are computed once a photo. The tutorials compute them anew
            at every word; the captions are the same.
    """

    def __init__(self, words: int, channels: int, *, keys_once: bool = False) -> None:
        super().__init__(words)
        self.keys_once = keys_once
        self.reduce = nn.Linear(channels, 256)
        self.keys, self.query, self.energy = nn.Linear(256, 512), nn.Linear(512, 512), nn.Linear(512, 1)
        self.embedding = nn.Embedding(words, 256)
        self.cell = nn.GRUCell(512, 512)
        self.deep, self.out = nn.Linear(512, 512), nn.Linear(512, words)

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """Features ``[N, L, 256]`` and maybe their keys; a state of zeros ``[N, 512]``."""
        memory = {"features": torch.relu(self.reduce(grid))}
        if self.keys_once:
            memory["keys"] = self.keys(memory["features"])
        return memory, {"state": grid.new_zeros(grid.shape[0], 512)}

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step` says."""
        before = state["state"]
        keys = memory["keys"] if self.keys_once else self.keys(memory["features"])
        energy = self.energy(torch.tanh(keys[:, None] + self.query(before)[:, :, None])).squeeze(-1)
        attention = torch.softmax(energy, -1)
        given = torch.cat([attention @ memory["features"], self.embedding(word)], -1)
        after = self.cell(given.flatten(0, 1), before.flatten(0, 1)).view_as(before)
        return self.out(self.deep(after)), attention, {"state": after}


@dataclass(frozen=True, eq=False)
class Sentences:
    """A training set as the tutorials have it.

    Attributes:
        grids: One grid a photo, in memory: float16 ``[N, L, D]``.
        photos: The photo of each sentence, int64 ``[S]``.
        words: Start, words, end and padding of each, int64 ``[S, T]``.
        end: What ends a sentence and pads it.
    """

    grids: Halves
    photos: Ints
    words: Ints
    end: int

    def batches(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch in an order of its own: grids float32 ``[n, L, D]``, words ``[n, T]`` as long as the longest."""
        order = np.random.default_rng(seed).permutation(len(self.words))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            words = self.words[chosen]
            max_length = int((words != self.end).sum(1).max()) + 1
            grids = self.grids[self.photos[chosen]].astype(np.float32)
            yield torch.from_numpy(grids), torch.from_numpy(words[:, :max_length])


def train_step(
    decoder: PlainDecoder, optimiser: torch.optim.Optimizer, grids: Tensor, words: Tensor, end: int
) -> float:
    """One step down the gradient; gives the loss a word."""
    memory, state = decoder.begin(grids)
    state = {name: x[:, None] for name, x in state.items()}
    losses, counts = [], []
    counted = torch.ones(len(words), dtype=torch.bool)
    for t in range(words.shape[1] - 1):
        logits, _, state = decoder.step(words[:, t : t + 1], memory, state)
        goal = words[:, t + 1]
        losses.append((F.cross_entropy(logits[:, 0], goal, reduction="none") * counted).sum())
        counts.append(counted.sum())
        counted = counted & (goal != end)
    loss = torch.stack(losses).sum() / torch.stack(counts).sum()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())
