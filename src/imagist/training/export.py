"""Torch modules to the ONNX graphs of a bundle: folded, and stored in half precision.

Shapes: N photos, B beams, S side in pixels, L cells, D channels, H state, A attention, K candidates, V words.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from imagist.training.heads import PictureHead, TextHead
from imagist.training.judge import next_words
from imagist.training.networks import ConvUnit, Decoder, Encoder
from imagist.training.photographs import SIDE

OPSET = 20


class EncoderGraph(nn.Module):
    """uint8 ``[N, S, S, 3]`` to float32 ``[N, L, D]``, batch norms folded into the convolutions before them."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).eval()
        for unit in [m for m in self.encoder.modules() if isinstance(m, ConvUnit)]:
            unit.conv = fuse_conv_bn_eval(unit.conv, unit.norm)
            unit.norm = nn.Identity()  # type: ignore[assignment]

    def forward(self, pixels: Tensor) -> Tensor:
        """As the class says."""
        y: Tensor = self.encoder(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return y.flatten(2).transpose(1, 2)


class BeginGraph(nn.Module):
    """`Decoder.begin`."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, grid: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As the class says."""
        return self.decoder.begin(grid)


class StepGraph(nn.Module):
    """`imagist.training.judge.next_words`, the number of candidates being an input."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, word: Tensor, values: Tensor, keys: Tensor, state: Tensor, cell: Tensor, candidates: Tensor
    ) -> tuple[Tensor, ...]:
        """As the class says; ``candidates`` int64 ``[1]``, 1 to V."""
        best = int(candidates.item())
        torch._check(best >= 1)
        torch._check(best <= self.decoder.bias.numel())
        return next_words(self.decoder, word, values, keys, state, cell, best)


@dataclass(frozen=True)
class Graph:
    """How a module becomes a file.

    Attributes:
        module: In eval mode.
        inputs: Name, example and dynamic axes (axis number to name) of each input, in order.
        outputs: Names of what it returns.
    """

    module: nn.Module
    inputs: Sequence[tuple[str, Tensor, Mapping[int, str]]]
    outputs: Sequence[str]


def graphs(encoder: Encoder, decoder: Decoder, pictures: PictureHead, texts: TextHead) -> dict[str, Graph]:
    """The five files of the embedded bundle."""
    cells, hidden, attention = 49, decoder.keys.in_features, decoder.keys.out_features
    grid = ("grid", torch.zeros(2, cells, encoder.channels), {0: "n"})
    beams = {0: "n", 1: "b"}
    step: list[tuple[str, Tensor, Mapping[int, str]]] = [
        ("word", torch.zeros(2, 3, dtype=torch.int64), beams),
        ("values", torch.zeros(2, cells, hidden), {0: "n"}),
        ("keys", torch.zeros(2, cells, attention), {0: "n"}),
        ("state", torch.zeros(2, 3, hidden), beams),
        ("cell", torch.zeros(2, 3, hidden), beams),
        ("candidates", torch.tensor([5]), {}),
    ]
    pixels = ("pixels", torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8), {0: "n"})
    counted = ("counts", torch.zeros(2, texts.idf.numel()), {0: "n"})
    return {
        "encoder.onnx": Graph(EncoderGraph(encoder), [pixels], ["grid"]),
        "captioner-begin.onnx": Graph(BeginGraph(decoder), [grid], ["values", "keys", "state", "cell"]),
        "captioner-step.onnx": Graph(
            StepGraph(decoder), step, ["logprobs", "ids", "attention", "new_state", "new_cell"]
        ),
        "pictures.onnx": Graph(pictures, [grid], ["probabilities"]),
        "texts.onnx": Graph(texts, [counted], ["probabilities"]),
    }


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """The module as an ONNX model in float32."""
    axes = {
        name: torch.export.Dim(name, min=1, max=65536) for _, _, dynamic in graph.inputs for name in dynamic.values()
    }
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own, on names of axes
        program = torch.onnx.export(
            graph.module.eval(),
            tuple(example for _, example, _ in graph.inputs),
            dynamo=True,
            dynamic_shapes=tuple(
                {axis: axes[name] for axis, name in dynamic.items()} for _, _, dynamic in graph.inputs
            ),
            input_names=[name for name, _, _ in graph.inputs],
            output_names=list(graph.outputs),
            opset_version=OPSET,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    model = program.model_proto
    for node in [*model.graph.node, model]:
        del node.metadata_props[:]  # stack traces of this machine
        node.doc_string = ""
    del model.graph.value_info[:]
    name_transposed(model, graph.module)
    return model


TRANSPOSED = ".T"


def name_transposed(model: onnx.ModelProto, module: nn.Module) -> None:
    """Gives weights that the exporter turned over their names back, with ``.T``, so that `restore` finds them."""
    known = {p.detach().T.contiguous().numpy().tobytes(): name for name, p in module.named_parameters() if p.ndim == 2}
    names = {}
    for weight in model.graph.initializer:
        name = known.get(numpy_helper.to_array(weight).tobytes())
        if name and len(weight.dims) == 2 and weight.name not in dict(module.named_parameters()):
            names[weight.name] = name + TRANSPOSED
            weight.name = name + TRANSPOSED
    for node in model.graph.node:
        for place, used in enumerate(node.input):
            node.input[place] = names.get(used, used)


HALVED = "_half"


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its large float32 weights stored as float16; they are widened again when it is loaded."""
    small = copy.deepcopy(model)
    scales = {node.input[1] for node in small.graph.node if node.op_type == "DequantizeLinear"}
    casts = []
    for weight in small.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 256 or weight.name in scales:
            continue
        name, values = weight.name, numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(numpy_helper.from_array(values, name + HALVED))
        casts.append(helper.make_node("Cast", [name + HALVED], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        small.graph.node.insert(0, cast)
    onnx.checker.check_model(small)
    return small
