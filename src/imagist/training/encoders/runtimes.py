"""Runs a frozen encoder over pixels: in ONNX Runtime on a CPU, in PyTorch on an accelerator.

Shapes: N images, S side in pixels. The output is that of the encoder, one row an image.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import nn

from imagist.arrays import Array, Pixels
from imagist.bundle.onnx import onnx_runtime
from imagist.training.export.graphs import encoder_onnx
from imagist.training.parallel import parallel_map

Encode = Callable[[Pixels], Array]


def runner(encoder: nn.Module, side: int, device: torch.device) -> Encode:
    """Returns a function from uint8 ``[N, S, S, 3]`` to the encoder's float32 output.

    Args:
        encoder: In eval mode.
        side: S.
        device: On ``cpu`` ONNX Runtime runs the encoder, several times as fast as eager PyTorch.
    """
    return on_cpu(encoder, side) if device.type == "cpu" else on_device(encoder, device)


def on_cpu(encoder: nn.Module, side: int) -> Encode:
    """Runs the encoder in ONNX Runtime, one image at a time on every core."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    model = encoder_onnx(encoder, side).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def encode(pixels: Pixels) -> Array:
        return np.concatenate(parallel_map(lambda one: session.run(None, {"pixels": one[None]})[0], pixels))

    return encode


def on_device(encoder: nn.Module, device: torch.device) -> Encode:
    """Runs a copy of the encoder in PyTorch on one device; the encoder itself stays where it is."""
    encoder = deepcopy(encoder).to(device)

    @torch.no_grad()
    def encode(pixels: Pixels) -> Array:
        features: Array = encoder(torch.from_numpy(pixels).to(device)).float().cpu().numpy()
        return features

    return encode
