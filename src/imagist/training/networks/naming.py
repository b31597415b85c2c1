"""`naming`: a Transformer decoder that reads the grid and what a class head recognises in it.

The words for a class are learnt from sentences too, without an image: there the classes are known and the grid is left
out. So captions name things that no captioned image shows (Fei et al. 2023, "Transferable Decoding with Visual Entities
for Zero-Shot Image Captioning", ViECap; Li et al. 2023, "DeCap").

Shapes: N images, L cells, D channels, C classes, K recognised classes, B captions or beams, T words, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imagist.training.networks.decoder import Tensors
from imagist.training.networks.transformer import TransformerDecoder

MIN_PROBABILITY = 1e-4  # keeps the logarithm finite


class NamingDecoder(TransformerDecoder):
    """`TransformerDecoder` whose memory has a row for each of the K likeliest classes, beside those of the cells.

    Args:
        words: V.
        channels: D.
        classes: C.
        recognised: K.
        cells: L, and the further settings of `TransformerDecoder`.
        width: E.
        layers: Decoder layers.
        grid_layers: Encoder layers over cells and classes.
        heads: A divisor of E.
        max_length: Maximum number of words in a caption, without the end.
        dropout: 0 to 1.
        patch_keep_rate: As `CaptionDecoder`.

    Attributes:
        head: From the mean of the grid ``[N, D]`` to logits of the classes ``[N, C]``; given, not trained.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        *,
        classes: int = 1000,
        recognised: int = 8,
        cells: int = 49,
        width: int = 288,
        layers: int = 3,
        grid_layers: int = 1,
        heads: int = 6,
        max_length: int = 20,
        dropout: float = 0.25,
        patch_keep_rate: float = 1.0,
    ) -> None:
        super().__init__(
            words, channels, cells=cells, width=width, layers=layers, grid_layers=grid_layers, heads=heads,
            max_length=max_length, dropout=dropout, patch_keep_rate=patch_keep_rate,
        )  # fmt: skip
        self.recognised = recognised
        self.head = nn.Linear(channels, classes).requires_grad_(False)
        self.things = nn.Embedding(classes, width)
        self.sure = nn.Linear(2, width)
        nn.init.normal_(self.things.weight, std=0.5)

    def probabilities(self, grid: Tensor) -> Tensor:
        """Of the classes: ``[N, L, D]`` to ``[N, C]``."""
        return torch.softmax(self.head(grid.mean(1)).float(), -1)

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step`; attention is over the cells alone."""
        logits, attention, new = super().step(word, memory, state)
        return logits, self._over_cells(attention), new

    def hidden_states(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden_states`."""
        hidden, attention = super().hidden_states(grid, words, where)
        return hidden, None if self.training else self._over_cells(attention)  # some cells are left out in training

    def hidden_states_of_classes(self, probabilities: Tensor, words: Tensor, where: Tensor | None = None) -> Tensor:
        """Hidden states ``[N, B, T, E]`` of captions without an image, of which the classes ``[N, C]`` are known."""
        return self._read(*self._memory(None, probabilities), words, where)[0]

    def _over_cells(self, attention: Tensor | None) -> Tensor | None:
        if attention is None:
            return None
        cells = attention[..., : self.places.shape[0]]
        return cells / cells.sum(-1, keepdim=True)

    def _cells(self, grid: Tensor) -> tuple[Tensors, Tensor]:
        return self._memory(grid, self.probabilities(grid))

    def _memory(self, grid: Tensor | None, probabilities: Tensor) -> tuple[Tensors, Tensor]:
        """Keys and values of cells and classes for each layer, and the mean of both ``[N, E]``."""
        probability, which = probabilities.topk(self.recognised, -1)
        how_sure = torch.stack([probability, torch.log(probability + MIN_PROBABILITY) / 4], -1)
        rows = self.dropout(self.things(which) + self.sure(how_sure))
        if grid is not None:
            rows = torch.cat([self._places(grid), rows], 1)
        return self._keys_and_values(rows)
