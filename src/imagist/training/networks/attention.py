"""`attention`: a recurrent decoder that attends to the grid at each word.

Presets of two published captioners: `TUTORIAL` and `SAT`.

Shapes: N images, L cells, D channels, B captions or beams, T words, V words of the vocabulary, H state, A attention,
E embedding, W width of a cell's value; m captions that have not ended.
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
    "cell": "gru", "hidden_size": 512, "embedding_size": 256, "attention_size": 512, "value_size": 256,
    "layer_norm": False, "gated": False, "initial_state": "zeros", "output": "state", "tie_weights": False,
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
        hidden_size: H.
        embedding_size: E.
        attention_size: A, the width in which state and cells are compared.
        value_size: W; by default H.
        layer_norm: Apply layer norm to the values, instead of a ReLU.
        gated: Scale the context by a gate that is computed from the state (beta).
        initial_state: Computed from the ``mean`` of the values, or ``zeros``.
        output: Computed from state, context and previous word (``deep``), or from the ``state`` alone.
        tie_weights: The output layer shares the embedding's weights.
        dropout: On the values, the embedding, and before and after the first output layer; 0 to 1.
        patch_keep_rate: As `CaptionDecoder`.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        hidden_size: int = 512,
        embedding_size: int = 256,
        attention_size: int = 256,
        value_size: int | None = None,
        layer_norm: bool = True,
        gated: bool = True,
        initial_state: Literal["mean", "zeros"] = "mean",
        output: Literal["deep", "state"] = "deep",
        tie_weights: bool = True,
        dropout: float = 0.4,
        patch_keep_rate: float = 1.0,
    ) -> None:
        super().__init__(words, patch_keep_rate)
        width = value_size or hidden_size
        cell_class = nn.LSTMCell if cell == "lstm" else nn.GRUCell
        self.reduce = nn.Linear(channels, width)
        self.reduced_norm = nn.LayerNorm(width) if layer_norm else nn.ReLU()
        self.keys = nn.Linear(width, attention_size)
        self.query = nn.Linear(hidden_size, attention_size, bias=False)
        self.energy = nn.Linear(attention_size, 1, bias=False)
        self.gate = nn.Linear(hidden_size, width) if gated else None
        states = 2 if cell == "lstm" else 1
        self.start = nn.Linear(width, hidden_size * states) if initial_state == "mean" else None
        self.embedding = nn.Embedding(words, embedding_size)
        self.cell: nn.LSTMCell | nn.GRUCell = cell_class(embedding_size + width, hidden_size)
        self.deep_output = output == "deep"
        joined = hidden_size + width + embedding_size if self.deep_output else hidden_size
        self.deep = nn.Linear(joined, embedding_size if tie_weights else hidden_size)
        self.out = None if tie_weights else nn.Linear(hidden_size, words, bias=False)
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=embedding_size**-0.5)

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """Values ``[N, L, W]`` and keys ``[N, L, A]``; state and, of an LSTM, cell ``[N, H]``."""
        values = self.dropout(self.reduced_norm(self.reduce(self.drop_patches(grid)[0])))
        hidden = self.cell.hidden_size
        if self.start is not None:
            parts = torch.split(torch.tanh(self.start(values.mean(1))), hidden, -1)
        else:
            parts = (values.new_zeros(values.shape[0], hidden),) * (2 if isinstance(self.cell, nn.LSTMCell) else 1)
        return {"values": values, "keys": self.keys(values)}, dict(zip(("state", "cell"), parts, strict=False))

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step`."""
        vector = self.dropout(self.embedding(word))
        context, attention = self._attend(memory, state["state"])
        rows = torch.cat([vector, context], -1).flatten(0, 1)
        if isinstance(self.cell, nn.LSTMCell):
            after, inner = self.cell(rows, (state["state"].flatten(0, 1), state["cell"].flatten(0, 1)))
            new = {"state": after.view_as(state["state"]), "cell": inner.view_as(state["cell"])}
        else:
            new = {"state": self.cell(rows, state["state"].flatten(0, 1)).view_as(state["state"])}
        return self.logits(self._deep(new["state"], context, vector)), attention, new

    def hidden_states(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden_states`; captions that have ended drop out of the steps.

        What does not depend on the previous step is computed for all words at once.
        """
        memory, first = self.begin(grid)
        steps = Steps(torch.ones_like(words, dtype=torch.bool) if where is None else up_to_last(where))
        vectors = self.dropout(self.embedding(steps.packed(words)))
        of_word, of_context = torch.split(self.cell.weight_ih, [vectors.shape[-1], self.reduce.out_features], 1)
        given = torch.split(raised(F.linear(vectors, of_word, self.cell.bias_ih)), steps.running)
        attend = AdditiveAttention(self.query, self.energy, self.gate, memory, steps)
        own, rest = SharedLinear(self.cell.weight_hh), SharedLinear(of_context)
        state = {name: raised(x)[steps.images] for name, x in first.items()}
        states, contexts, maps = [], [], []
        for m, part in zip(steps.running, given, strict=True):
            state = {name: x[:m] for name, x in state.items()}
            context, attention = attend(state["state"])
            state = self._next_state(part + rest(context), own(state["state"]) + self.cell.bias_hh, state)
            states.append(state["state"])
            contexts.append(context)
            maps.append(attention)
        hidden = self._deep(torch.cat(states), torch.cat(contexts), vectors)
        return steps.wide(hidden), steps.wide(torch.cat(maps))

    def logits(self, hidden: Tensor) -> Tensor:
        """As `CaptionDecoder.logits`."""
        return F.linear(hidden, self.embedding.weight if self.out is None else self.out.weight, self.bias)

    def _attend(self, memory: Tensors, state: Tensor) -> tuple[Tensor, Tensor]:
        energy = self.energy(torch.tanh(memory["keys"][:, None] + self.query(state)[:, :, None])).squeeze(-1)
        attention = torch.softmax(energy, -1)
        context = attention @ memory["values"]
        return (context if self.gate is None else torch.sigmoid(self.gate(state)) * context), attention

    def _next_state(self, given: Tensor, own: Tensor, state: Tensors) -> Tensors:
        """The cell's next state, from its inputs and its state times the weights, ``[m, 4H or 3H]`` each."""
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
