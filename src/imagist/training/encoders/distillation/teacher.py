"""The teacher: a published MobileNetV2."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from imagist.classifiers.image.network import timm_library
from imagist.training.encoders.backbone import fill_weights


def open_teacher(weights: Path) -> nn.Module:
    """Opens timm's MobileNetV2 1.0, padded as TensorFlow pads, in eval mode and frozen.

    Args:
        weights: Its safetensors file.

    Raises:
        DataError: The file cannot be read or belongs to another network.
    """
    network: nn.Module = timm_library().create_model(
        "mobilenetv2_100", pretrained=False, pad_type="same", exportable=True
    )
    fill_weights(network, weights, "teacher")
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
