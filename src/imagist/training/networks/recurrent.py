"""`lstm`: pooled features and an LSTM, which is told of the image before the sentence or never hears of it.

Shapes: N photos, L cells, D channels, B sentences or beams, T words, V words known, H state, E embedding, W image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.training.networks.decoder import CaptionDecoder, Tensors, beams_of
from imagist.training.networks.dropout import Dropout


class RecurrentDecoder(CaptionDecoder):
    """P(S_t | I, S_1 .. S_{t-1}) by an LSTM over words; the image I is the mean of the grid.

    Inject: the image is what the LSTM is given first, in the place of a word, and never again (Vinyals et al. 2015,
    "Show and Tell", equations 10 to 12; "pre-inject" in Tanti et al.). Merge: the LSTM reads words alone, and what it
    made of them is joined with the image before the next word is chosen (Tanti et al. 2018, "Where to put the image in
    an image caption generator").

    Args:
        words: V.
        channels: D.
        merge: Merge, instead of inject.
        hidden: H.
        embedding: E.
        image: W, of merge; by default E. Injected, the image takes the place of a word and has its width E.
        tied: The output's weights are those of the embedding.
        dropout: On the image, on the embedding and around the layer before the output; 0 to 1.
        seen: As `CaptionDecoder`.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        *,
        merge: bool = False,
        hidden: int = 512,
        embedding: int = 512,
        image: int | None = None,
        tied: bool = True,
        dropout: float = 0.4,
        seen: float = 1.0,
    ) -> None:
        super().__init__(words, seen)
        width = (image or embedding) if merge else embedding
        self.merge = merge
        self.image = nn.Linear(channels, width)
        self.embedding = nn.Embedding(words, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        joined = hidden + width if merge else hidden
        self.deep = nn.Linear(joined, embedding if tied else hidden) if merge or tied else None
        self.out = None if tied else nn.Linear(hidden, words, bias=False)
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        _, own, bias, _ = self.lstm.parameters()
        nn.init.orthogonal_(own)
        with torch.no_grad():
            bias[hidden : 2 * hidden] = 1  # to remember at first: Jozefowicz et al. 2015

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """State and cell ``[N, H]``; of merge also the image ``[N, W]``, which of inject is in the state already."""
        image = self.image(self.dropout(self.shown(grid)[0].mean(1)))
        nothing = image.new_zeros(image.shape[0], self.lstm.hidden_size)
        first = {"state": nothing, "cell": nothing}
        return ({"image": torch.tanh(image)}, first) if self.merge else ({}, self._turn(image, first))

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step` says."""
        new = self._turn(self.dropout(self.embedding(word)), state)
        return self.say(self._deep(new["state"][:, :, None], memory))[:, :, 0], None, new

    def hidden(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden` says, all words in one run of the LSTM."""
        memory, first = self.begin(grid)
        state, cell = (beams_of(first, words.shape[1])[name].flatten(0, 1)[None] for name in ("state", "cell"))
        vectors = self.dropout(self.embedding(words)).flatten(0, 1)
        states, _ = self.lstm(vectors, (state.to(vectors.dtype).contiguous(), cell.to(vectors.dtype).contiguous()))
        return self._deep(states.unflatten(0, words.shape[:2]), memory), None

    def say(self, hidden: Tensor) -> Tensor:
        """As `CaptionDecoder.say` says."""
        return F.linear(hidden, self.embedding.weight if self.out is None else self.out.weight, self.bias)

    def _turn(self, given: Tensor, state: Tensors) -> Tensors:
        """The LSTM's next state ``[..., H]`` after ``[..., E]``, by the weights and the order of gates of `nn.LSTM`."""
        of_input, of_state, input_bias, state_bias = self.lstm.parameters()
        parts = F.linear(given, of_input, input_bias) + F.linear(state["state"], of_state, state_bias)
        enter, forget, fresh, leave = parts.chunk(4, -1)
        cell = torch.sigmoid(forget) * state["cell"] + torch.sigmoid(enter) * torch.tanh(fresh)
        return {"state": torch.sigmoid(leave) * torch.tanh(cell), "cell": cell}

    def _deep(self, states: Tensor, memory: Tensors) -> Tensor:
        """What the next word is said of, for each of ``[N, B, T, H]``."""
        if self.merge:
            image = memory["image"][:, None, None].expand(-1, *states.shape[1:3], -1)
            states = torch.cat([states, image], -1)
        deep: Tensor = self.dropout(states)
        return deep if self.deep is None else self.dropout(torch.tanh(self.deep(deep)))
