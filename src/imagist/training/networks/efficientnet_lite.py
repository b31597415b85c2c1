"""The encoder of the embedded bundle: EfficientNet-Lite0's layout with random weights.

Source: Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", table 1, without
squeeze-and-excitation and with ReLU6, as https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

Shapes: N images; S side of the input, a multiple of 32 pixels (224); G = S/32 cells a side of the grid (7); C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional as F

# (kernel, blocks, expansion, stride of the first block, channels out)
_STAGES = (
    (3, 1, 1, 1, 16), (3, 2, 6, 2, 24), (5, 2, 6, 2, 40), (3, 3, 6, 2, 80), (5, 3, 6, 1, 112), (5, 4, 6, 2, 192),
    (3, 1, 6, 1, 320),
)  # fmt: skip


class ConvUnit(nn.Module):
    """Convolution, batch norm and, if asked for, ReLU6, padded as TensorFlow's "same" pads even sides.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Side of the kernel, odd.
        stride: 1 or 2; with 2 there is one row and column more of padding at the bottom and the right.
        groups: As in ``nn.Conv2d``.
        active: Whether ReLU6 follows.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, active: bool = True
    ) -> None:
        super().__init__()
        self.spare = kernel - stride if stride > 1 else 0
        padding = 0 if stride > 1 else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.05)
        self.active = active
        nn.init.normal_(self.conv.weight, std=math.sqrt(2 * groups / (outputs * kernel**2)))

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, s, s]`` to ``[N, outputs, s/stride, s/stride]``."""
        if self.spare:
            before, after = self.spare // 2, self.spare - self.spare // 2
            x = F.pad(x, (before, after, before, after))
        y: Tensor = self.norm(self.conv(x))
        return F.relu6(y) if self.active else y


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to its input where the shapes agree.

    Source: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", figure 3.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        expand = [ConvUnit(inputs, width)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand, ConvUnit(width, width, kernel, stride, groups=width), ConvUnit(width, outputs, active=False)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, s, s]`` to ``[N, outputs, s/stride, s/stride]``."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """Image to grid, in nine stages: a convolution, seven stages of blocks, a convolution.

    Args:
        classes: C, of a linear layer over the mean of the grid; 0 leaves the layer out.

    Attributes:
        stages: Each reads the map of the one before.
        head: From ``[N, 1280]`` to logits ``[N, C]``.
    """

    channels = 1280

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        stages, inputs = [nn.Sequential(ConvUnit(3, 32, 3, 2))], 32
        for kernel, blocks, expansion, stride, outputs in _STAGES:
            first = InvertedResidual(inputs, outputs, kernel, stride, expansion)
            more = (InvertedResidual(outputs, outputs, kernel, 1, expansion) for _ in range(blocks - 1))
            stages.append(nn.Sequential(first, *more))
            inputs = outputs
        stages.append(nn.Sequential(ConvUnit(inputs, self.channels)))
        self.stages = nn.ModuleList(stages)
        self.head: nn.Module = nn.Linear(self.channels, classes) if classes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``[N, 3, S, S]`` in -1..1 to ``[N, 1280, G, G]`` in 0..6."""
        return maps(self.stages, x)[-1]


def maps(stages: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """The map after each stage, for an input ``[N, 3, S, S]``."""
    found = []
    for stage in stages:
        x = stage(x)
        found.append(x)
    return found
