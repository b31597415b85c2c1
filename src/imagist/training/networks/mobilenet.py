"""The encoder of the embedded bundle: the MobileNetV2 layout with random weights.

Shapes: N images, S side of the input in pixels (224), G = S/32 cells a side of the grid (7).
"""

from __future__ import annotations

from collections.abc import Iterator

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
    """Image to grid: the MobileNetV2 layout as a chain of 19 units, each of which can be trained on its own.

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
        """The output of each unit, in order."""
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
