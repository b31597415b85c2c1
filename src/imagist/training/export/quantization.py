"""Quantizes float graphs: weights in 7 bits per channel, activations in 8, sums in 32.

The ranges of the activations are measured once, on training images, and fixed in the graph: ranges measured on each
batch would make a caption depend on the other images of its batch. Weights have seven bits, because two products of
8-bit numbers overflow the 16-bit sums of processors without VNNI.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference".
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quant_pre_process, quantize_static

from imagist.arrays import AnyArray, Array, Ints
from imagist.captioning.decoding import Decoding, generate
from imagist.training.captioners.evaluator import TorchBeams
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.networks.decoder import CaptionDecoder

QUANTIZED, SCALE = "_quantized", "_scale"  # suffixes of the names that onnxruntime gives integers and their scales
MIN_ELEMENTS = 8192  # smaller weights stay in float32
Feed = dict[str, AnyArray]


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._left, None)


def quantize(model: onnx.ModelProto, feeds: Sequence[Feed]) -> onnx.ModelProto:
    """Quantizes the matrix products of a graph that have a large weight.

    Args:
        model: A float32 graph.
        feeds: Inputs on which the ranges of activations are measured; as many as memory allows.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx.save(model, folder / "float.onnx")
        quant_pre_process(folder / "float.onnx", folder / "folded.onnx", skip_symbolic_shape=True)
        folded = onnx.load(folder / "folded.onnx")
        if not (products := _large_products(folded)):
            return folded  # an empty list of nodes means all of them to quantize_static
        logging.getLogger().addFilter(_not_advice)
        try:
            quantize_static(
                folder / "folded.onnx", folder / "bytes.onnx", _Feeds(feeds), quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["MatMul", "Gemm"], nodes_to_quantize=products, per_channel=True,
                reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
            )  # fmt: skip
        finally:
            logging.getLogger().removeFilter(_not_advice)
        return onnx.load(folder / "bytes.onnx")


def _not_advice(record: logging.LogRecord) -> bool:
    """Drops onnxruntime's advice to pre-process the graph, which has been pre-processed."""
    return "pre-processing" not in record.getMessage()


def _large_products(model: onnx.ModelProto) -> list[str]:
    """The names of matrix products with a large weight."""
    large = {weight.name for weight in model.graph.initializer if np.prod(weight.dims) >= MIN_ELEMENTS}
    return [n.name for n in model.graph.node if n.op_type in ("MatMul", "Gemm") and large & {*n.input}]


def dequantized(model: onnx.ModelProto) -> Mapping[str, Array]:
    """The float weights that the integers of a quantized graph represent, by their names before."""
    found = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
    turned = {}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0].endswith(QUANTIZED):
            scale = found[node.input[1]].astype(np.float32)
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            shape = [-1 if i == axis else 1 for i in range(found[node.input[0]].ndim)] if scale.ndim else []
            turned[node.input[0].removesuffix(QUANTIZED)] = found[node.input[0]] * scale.reshape(shape)
    return turned


class _Recorded(TorchBeams):
    """Records the inputs of each step."""

    def __init__(
        self, decoder: CaptionDecoder, grid: torch.Tensor, beams: int, vocabulary: Vocabulary, feeds: list[Feed]
    ) -> None:
        super().__init__(decoder, grid, beams, vocabulary)
        self._feeds = feeds

    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array | None]:
        arrays: Feed = {name: tensor.numpy() for name, tensor in (self.memory | self.state).items()}
        self._feeds.append(arrays | {"word": words, "candidates": np.array([candidates])})
        return super().step(words, candidates)


def captioner_feeds(
    decoder: CaptionDecoder, grids: Array, vocabulary: Vocabulary, decoding: Decoding
) -> dict[str, list[Feed]]:
    """The inputs of the captioner's two graphs while it captions grids ``[N, L, D]``."""
    steps: list[Feed] = []
    beams = _Recorded(decoder.eval(), torch.from_numpy(grids), decoding.beam, vocabulary, steps)
    generate(beams, len(grids), decoding)
    return {"begin.onnx": [{"grid": grids}], "step.onnx": steps}
