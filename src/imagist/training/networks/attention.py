"""`attention`: a recurrent cell that looks at the grid anew for each word.

Two published captioners are presets of it: `TUTORIAL` and `SAT`.

Shapes: N photos, L cells, D channels, B sentences or beams, T words, V words known, H state, A attention, E embedding,
W width of a cell's value; m sentences that still speak.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.training.networks.additive import AdditiveAttention
from imagist.training.networks.decoder import CaptionDecoder, Tensors
from imagist.training.networks.dropout import Dropout
from imagist.training.networks.packing import Steps, up_to_last
from imagist.training.networks.sharing import SharedLinear, raised

TUTORIAL: dict[str, Any] = {
    "cell": "gru", "hidden": 512, "embedding": 256, "attention": 512, "values": 256, "normalised": False,
    "gated": False, "first": "zeros", "output": "state", "tied": False,
}  # fmt: skip
"""TensorFlow's "Image captioning with visual attention" of 2019: Embed 256, GRU 512, FC 512, FC; no gate."""

SAT: dict[str, Any] = {}
"""Xu et al. 2015: LSTM, gate on the context, deep output. These are the defaults."""


class AttentionDecoder(CaptionDecoder):
    """Additive attention (Bahdanau et al. 2015) with a GRU or an LSTM.

    Source: Xu et al. 2015, "Show, Attend and Tell", section 3.1.2 (soft attention, gate beta, equation 7).

    Args:
        words: V.
        channels: D.
        cell: ``lstm`` or ``gru``.
        hidden: H.
        embedding: E.
        attention: A, the width in which the state and the cells are compared.
        values: W; by default H.
        normalised: Layer norm over the values, instead of a ReLU.
        gated: Whether the state decides how much of the context it takes (beta).
        first: The first state comes from the ``mean`` of the values, or is ``zeros``.
        output: From state, context and the word before (``deep``), or from the ``state`` alone.
        tied: The output's weights are those of the embedding.
        dropout: On the values, on the embedding and before and after the output's first layer; 0 to 1.
        seen: As `CaptionDecoder`.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        hidden: int = 512,
        embedding: int = 256,
        attention: int = 256,
        values: int | None = None,
        normalised: bool = True,
        gated: bool = True,
        first: Literal["mean", "zeros"] = "mean",
        output: Literal["deep", "state"] = "deep",
        tied: bool = True,
        dropout: float = 0.4,
        seen: float = 1.0,
    ) -> None:
        super().__init__(words, seen)
        width = values or hidden
        self.reduce = nn.Linear(channels, width)
        self.reduced_norm = nn.LayerNorm(width) if normalised else nn.ReLU()
        self.keys = nn.Linear(width, attention)
        self.query = nn.Linear(hidden, attention, bias=False)
        self.energy = nn.Linear(attention, 1, bias=False)
        self.gate = nn.Linear(hidden, width) if gated else None
        self.start = nn.Linear(width, hidden * (2 if cell == "lstm" else 1)) if first == "mean" else None
        self.embedding = nn.Embedding(words, embedding)
        self.cell: nn.LSTMCell | nn.GRUCell = (nn.LSTMCell if cell == "lstm" else nn.GRUCell)(embedding + width, hidden)
        self.deep_output = output == "deep"
        self.deep = nn.Linear(hidden + width + embedding if self.deep_output else hidden, embedding if tied else hidden)
        self.out = None if tied else nn.Linear(hidden, words, bias=False)
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """Values ``[N, L, W]`` and keys ``[N, L, A]``; state and, of an LSTM, cell ``[N, H]``."""
        values = self.dropout(self.reduced_norm(self.reduce(self.shown(grid)[0])))
        hidden = self.cell.hidden_size
        if self.start is not None:
            parts = torch.split(torch.tanh(self.start(values.mean(1))), hidden, -1)
        else:
            parts = (values.new_zeros(values.shape[0], hidden),) * (2 if isinstance(self.cell, nn.LSTMCell) else 1)
        return {"values": values, "keys": self.keys(values)}, dict(zip(("state", "cell"), parts, strict=False))

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step` says."""
        vector = self.dropout(self.embedding(word))
        context, attention = self._look(memory, state["state"])
        rows = torch.cat([vector, context], -1).flatten(0, 1)
        if isinstance(self.cell, nn.LSTMCell):
            after, inner = self.cell(rows, (state["state"].flatten(0, 1), state["cell"].flatten(0, 1)))
            new = {"state": after.view_as(state["state"]), "cell": inner.view_as(state["cell"])}
        else:
            new = {"state": self.cell(rows, state["state"].flatten(0, 1)).view_as(state["state"])}
        return self.say(self._deep(new["state"], context, vector)), attention, new

    def hidden(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden` says; sentences that have ended drop out of the steps.

        What does not wait for the step before is done for all words at once.
        """
        memory, first = self.begin(grid)
        steps = Steps(torch.ones_like(words, dtype=torch.bool) if where is None else up_to_last(where))
        vectors = self.dropout(self.embedding(steps.packed(words)))
        of_word, of_context = torch.split(self.cell.weight_ih, [vectors.shape[-1], self.reduce.out_features], 1)
        given = torch.split(raised(F.linear(vectors, of_word, self.cell.bias_ih)), steps.speaking)
        look = AdditiveAttention(self.query, self.energy, self.gate, memory, steps)
        own, rest = SharedLinear(self.cell.weight_hh), SharedLinear(of_context)
        state = {name: raised(x)[steps.photos] for name, x in first.items()}
        states, contexts, maps = [], [], []
        for m, part in zip(steps.speaking, given, strict=True):
            state = {name: x[:m] for name, x in state.items()}
            context, attention = look(state["state"])
            state = self._turn(part + rest(context), own(state["state"]) + self.cell.bias_hh, state)
            states.append(state["state"])
            contexts.append(context)
            maps.append(attention)
        hidden = self._deep(torch.cat(states), torch.cat(contexts), vectors)
        return steps.wide(hidden), steps.wide(torch.cat(maps))

    def say(self, hidden: Tensor) -> Tensor:
        """As `CaptionDecoder.say` says."""
        return F.linear(hidden, self.embedding.weight if self.out is None else self.out.weight, self.bias)

    def _look(self, memory: Tensors, state: Tensor) -> tuple[Tensor, Tensor]:
        energy = self.energy(torch.tanh(memory["keys"][:, None] + self.query(state)[:, :, None])).squeeze(-1)
        attention = torch.softmax(energy, -1)
        context = attention @ memory["values"]
        return (context if self.gate is None else torch.sigmoid(self.gate(state)) * context), attention

    def _turn(self, given: Tensor, own: Tensor, state: Tensors) -> Tensors:
        """The cell's next state from what its inputs and its own state add up to, ``[m, 4H or 3H]`` each."""
        if isinstance(self.cell, nn.LSTMCell):
            enter, forget, fresh, leave = (given + own).chunk(4, -1)
            inner = torch.sigmoid(forget) * state["cell"] + torch.sigmoid(enter) * torch.tanh(fresh)
            return {"state": torch.sigmoid(leave) * torch.tanh(inner), "cell": inner}
        (reset, update, fresh), (reset_, update_, fresh_) = given.chunk(3, -1), own.chunk(3, -1)
        fresh = torch.tanh(fresh + torch.sigmoid(reset + reset_) * fresh_)
        kept = torch.sigmoid(update + update_)
        return {"state": fresh + kept * (state["state"] - fresh)}

    def _deep(self, state: Tensor, context: Tensor, vector: Tensor) -> Tensor:
        given = torch.cat([state, context, vector], -1) if self.deep_output else state
        deep = self.deep(self.dropout(given))
        return self.dropout(torch.tanh(deep) if self.deep_output else deep)  # type: ignore[no-any-return]
