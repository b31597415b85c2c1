"""`lstm`: pooled features and an LSTM, which reads the image first (inject) or never (merge).

Shapes: N images, L cells, D channels, B captions or beams, T words, V words of the vocabulary, H state, E embedding,
W image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.training.networks.decoder import CaptionDecoder, Tensors, beams_of
from imagist.training.networks.dropout import Dropout


class RecurrentDecoder(CaptionDecoder):
    """P(S_t | I, S_1 .. S_{t-1}) by an LSTM over words; the image I is the mean of the grid.

    Inject: the LSTM reads the image as if it were the first word (Vinyals et al. 2015,
    "Show and Tell", equations 10 to 12; "pre-inject" in Tanti et al.). Merge: the LSTM reads words alone, and its
    state is concatenated with the image before the output (Tanti et al. 2018, "Where to put the image in
    an image caption generator").

    Args:
        words: V.
        channels: D.
        merge: Merge instead of inject.
        hidden_size: H.
        embedding_size: E.
        image_size: W, with ``merge``; by default E. With inject the image takes the place of a word: its width is E.
        tie_weights: The output layer shares the embedding's weights.
        dropout: On the image, the embedding, and around the layer before the output; 0 to 1.
        patch_keep_rate: As `CaptionDecoder`.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        *,
        merge: bool = False,
        hidden_size: int = 512,
        embedding_size: int = 512,
        image_size: int | None = None,
        tie_weights: bool = True,
        dropout: float = 0.4,
        patch_keep_rate: float = 1.0,
    ) -> None:
        super().__init__(words, patch_keep_rate)
        width = (image_size or embedding_size) if merge else embedding_size
        self.merge = merge
        self.image = nn.Linear(channels, width)
        self.embedding = nn.Embedding(words, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        joined = hidden_size + width if merge else hidden_size
        self.deep = nn.Linear(joined, embedding_size if tie_weights else hidden_size) if merge or tie_weights else None
        self.out = None if tie_weights else nn.Linear(hidden_size, words, bias=False)
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=embedding_size**-0.5)
        _, own, bias, _ = self.lstm.parameters()
        nn.init.orthogonal_(own)
        with torch.no_grad():
            bias[hidden_size : 2 * hidden_size] = 1  # of the forget gate (Jozefowicz et al. 2015)

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """State and cell ``[N, H]``; with merge also the image ``[N, W]``."""
        image = self.image(self.dropout(self.drop_patches(grid)[0].mean(1)))
        nothing = image.new_zeros(image.shape[0], self.lstm.hidden_size)
        first = {"state": nothing, "cell": nothing}
        return ({"image": torch.tanh(image)}, first) if self.merge else ({}, self._next_state(image, first))

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step`."""
        new = self._next_state(self.dropout(self.embedding(word)), state)
        return self.logits(self._deep(new["state"][:, :, None], memory))[:, :, 0], None, new

    def hidden_states(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden_states`, all words in one run of the LSTM."""
        memory, first = self.begin(grid)
        state, cell = (beams_of(first, words.shape[1])[name].flatten(0, 1)[None] for name in ("state", "cell"))
        vectors = self.dropout(self.embedding(words)).flatten(0, 1)
        states, _ = self.lstm(vectors, (state.to(vectors.dtype).contiguous(), cell.to(vectors.dtype).contiguous()))
        return self._deep(states.unflatten(0, words.shape[:2]), memory), None

    def logits(self, hidden: Tensor) -> Tensor:
        """As `CaptionDecoder.logits`."""
        return F.linear(hidden, self.embedding.weight if self.out is None else self.out.weight, self.bias)

    def _next_state(self, given: Tensor, state: Tensors) -> Tensors:
        """The LSTM's next state ``[..., H]`` after ``[..., E]``, by the weights and the order of gates of `nn.LSTM`."""
        of_input, of_state, input_bias, state_bias = self.lstm.parameters()
        parts = F.linear(given, of_input, input_bias) + F.linear(state["state"], of_state, state_bias)
        enter, forget, fresh, leave = parts.chunk(4, -1)
        cell = torch.sigmoid(forget) * state["cell"] + torch.sigmoid(enter) * torch.tanh(fresh)
        return {"state": torch.sigmoid(leave) * torch.tanh(cell), "cell": cell}

    def _deep(self, states: Tensor, memory: Tensors) -> Tensor:
        """The input of the output layer, for states ``[N, B, T, H]``."""
        if self.merge:
            image = memory["image"][:, None, None].expand(-1, *states.shape[1:3], -1)
            states = torch.cat([states, image], -1)
        deep: Tensor = self.dropout(states)
        return deep if self.deep is None else self.dropout(torch.tanh(self.deep(deep)))
