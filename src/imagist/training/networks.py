"""The torch modules that the embedded bundle is trained as; `export` turns them into ONNX.

Shapes: N photos, S side of the input in pixels (224), G = S/32 cells a side of the grid (7), L = G*G cells,
D channels of the grid, V words of the vocabulary, A attention, E embedding, H hidden, T words.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# (expansion, channels out, repeats, stride of the first): table 2 of the MobileNetV2 paper
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class ConvUnit(nn.Module):
    """Convolution, batch norm and, if asked for, ReLU6, padded as TensorFlow's "same" pads even sizes.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Side of the kernel, odd.
        stride: 1 or 2; with 2 the padding goes to the right and the bottom only.
        groups: As in ``nn.Conv2d``.
        active: Whether ReLU6 follows.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, active: bool = True
    ) -> None:
        super().__init__()
        self.shifted = kernel > 1 and stride == 2
        padding = 0 if self.shifted else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, s, s]`` to ``[N, outputs, s/stride, s/stride]``."""
        y: Tensor = self.norm(self.conv(F.pad(x, (0, 1, 0, 1)) if self.shifted else x))
        return F.relu6(y) if self.active else y


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to its input where the shapes agree.

    Source: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", figure 3.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        expand = [ConvUnit(inputs, width)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand, ConvUnit(width, width, 3, stride, groups=width), ConvUnit(width, outputs, active=False)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, s, s]`` to ``[N, outputs, s/stride, s/stride]``."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class Encoder(nn.Module):
    """Photo to grid: the MobileNetV2 layout as a chain of 19 units, each of which can be trained on its own.

    Source: Sandler et al. 2018, table 2. Input ``[N, 3, S, S]`` in [-1, 1], output ``[N, 1280, G, G]`` in [0, 6].
    """

    channels = 1280

    def __init__(self) -> None:
        super().__init__()
        units: list[nn.Module] = [ConvUnit(3, 32, 3, 2)]
        inputs = 32
        for expansion, outputs, repeats, stride in _STAGES:
            for i in range(repeats):
                units.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expansion))
                inputs = outputs
        units.append(ConvUnit(inputs, self.channels))
        self.units = nn.ModuleList(units)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, 1280, G, G]``."""
        for unit in self.units:
            x = unit(x)
        return x

    def outputs(self, x: Tensor) -> Iterator[Tensor]:
        """What each unit gives, in order."""
        for unit in self.units:
            x = unit(x)
            yield x


def last_norm(unit: nn.Module) -> nn.BatchNorm2d:
    """The batch norm that sets the scale of a unit's output."""
    return [m for m in unit.modules() if isinstance(m, nn.BatchNorm2d)][-1]


def teacher_units(teacher: nn.Module) -> list[nn.Module]:
    """A timm MobileNetV2 as the same chain of units."""
    blocks = [block for stage in teacher.blocks for block in stage]  # type: ignore[union-attr]
    ends = nn.Sequential(teacher.conv_stem, teacher.bn1), nn.Sequential(teacher.conv_head, teacher.bn2)  # type: ignore[arg-type]
    return [ends[0], *blocks, ends[1]]


class Decoder(nn.Module):
    """Grid to words: an LSTM that looks at the grid anew for each word.

    Additive attention with a gate on the context and deep output, tied to the embedding.
    Source: Xu et al. 2015, "Show, Attend and Tell", section 3.1.2 (soft attention, gate beta, equation 7).

    Args:
        words: V, the vocabulary with its special tokens.
        channels: D of the encoder's grid.
        hidden: H, the state of the LSTM.
        embedding: E, the width of a word's vector.
        attention: A, the width in which the state and the cells are compared.
        dropout: On the grid, on the embedding and before the output; 0 to 1.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        hidden: int = 512,
        embedding: int = 256,
        attention: int = 256,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, hidden)
        self.reduced_norm = nn.LayerNorm(hidden)
        self.keys = nn.Linear(hidden, attention)
        self.query = nn.Linear(hidden, attention, bias=False)
        self.energy = nn.Linear(attention, 1, bias=False)
        self.gate = nn.Linear(hidden, hidden)
        self.start = nn.Linear(hidden, 2 * hidden)
        self.embedding = nn.Embedding(words, embedding)
        self.cell = nn.LSTMCell(embedding + hidden, hidden)
        self.deep = nn.Linear(hidden + hidden + embedding, embedding)
        self.bias = nn.Parameter(torch.zeros(words))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)

    def begin(self, grid: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What does not change from word to word.

        Args:
            grid: ``[N, L, D]``.

        Returns:
            Values ``[N, L, H]``, keys ``[N, L, A]``, first state and cell ``[N, H]``.
        """
        values = self.dropout(self.reduced_norm(self.reduce(grid)))
        state, cell = torch.tanh(self.start(values.mean(1))).chunk(2, -1)
        return values, self.keys(values), state, cell

    def step(
        self, word: Tensor, values: Tensor, keys: Tensor, state: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One word on.

        Args:
            word: int64 ``[N, B]``, the word before, for each of B beams.
            values: ``[N, L, H]``.
            keys: ``[N, L, A]``.
            state: ``[N, B, H]``.
            cell: ``[N, B, H]``.

        Returns:
            Logits ``[N, B, V]``, attention ``[N, B, L]`` (rows sum to 1), state and cell ``[N, B, H]``.
        """
        energy = self.energy(torch.tanh(keys[:, None] + self.query(state)[:, :, None])).squeeze(-1)
        attention = torch.softmax(energy, -1)
        context = torch.sigmoid(self.gate(state)) * (attention @ values)
        vector = self.dropout(self.embedding(word))
        rows = torch.cat([vector, context], -1).flatten(0, 1)
        state_, cell_ = self.cell(rows, (state.flatten(0, 1), cell.flatten(0, 1)))
        state, cell = state_.view_as(state), cell_.view_as(cell)
        deep = torch.tanh(self.deep(self.dropout(torch.cat([state, context, vector], -1))))
        logits = self.dropout(deep) @ self.embedding.weight.T + self.bias
        return logits, attention, state, cell

    def forward(self, grid: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing.

        Args:
            grid: ``[N, L, D]``.
            words: int64 ``[N, B, T]``, B sentences a photo, each beginning with the start token.

        Returns:
            Logits ``[N, B, T, V]`` of the word after each, attention ``[N, B, T, L]``.
        """
        values, keys, state, cell = self.begin(grid)
        state = state[:, None].expand(-1, words.shape[1], -1)
        cell = cell[:, None].expand(-1, words.shape[1], -1)
        logits, maps = [], []
        for t in range(words.shape[2]):
            out, attention, state, cell = self.step(words[:, :, t], values, keys, state, cell)
            logits.append(out)
            maps.append(attention)
        return torch.stack(logits, 2), torch.stack(maps, 2)
