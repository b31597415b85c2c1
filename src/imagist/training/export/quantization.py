"""Quantizes float graphs: weights in 7 or 8 bits per channel, activations in 8, sums in 32.

The ranges of the activations are measured once, on training images, and fixed in the graph: ranges measured on each
batch would make a caption depend on the other images of its batch.

Processors without VNNI add two products of 8-bit numbers in 16 bits, which overflow. The weights of matrix products
have seven bits for that reason. Those of convolutions have eight, and a step a channel that is just large enough for no
two neighbours to overflow (`steps_without_overflow`).

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference".
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quant_pre_process, quantize_static

from imagist.arrays import AnyArray, Array, Ints, Pixels
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
    folded = _folded(model)
    if not (products := _large_products(folded)):
        return folded  # an empty list of nodes means all of them to quantize_static
    return _quantized(
        folded, feeds, op_types_to_quantize=["MatMul", "Gemm"], nodes_to_quantize=products, reduce_range=True,
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
    )  # fmt: skip


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as onnxruntime prepares it for quantization."""
    with tempfile.TemporaryDirectory() as name:
        given, made = Path(name, "float.onnx"), Path(name, "folded.onnx")
        onnx.save(model, given)
        quant_pre_process(given, made, skip_symbolic_shape=True)
        return onnx.load(made)


def _quantized(folded: onnx.ModelProto, feeds: Sequence[Feed], **settings: Any) -> onnx.ModelProto:
    """A folded graph with integers in place of floats, by settings of onnxruntime's ``quantize_static``."""
    with tempfile.TemporaryDirectory() as name:
        given, made = Path(name, "folded.onnx"), Path(name, "bytes.onnx")
        onnx.save(folded, given)
        logging.getLogger().addFilter(_not_advice)
        try:
            quantize_static(
                given, made, _Feeds(feeds), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, **settings,
            )  # fmt: skip
        finally:
            logging.getLogger().removeFilter(_not_advice)
        return onnx.load(made)


def quantize_convolutions(model: onnx.ModelProto, images: Pixels) -> onnx.ModelProto:
    """Quantizes an encoder: its convolutions, the sums of its blocks and what is clipped.

    Args:
        model: A float32 graph from ``pixels``, uint8 ``[N, S, S, 3]``. Convolutions with biases keep their means.
        images: uint8 ``[N, S, S, 3]``, on which the ranges of activations are measured; one at a time.
    """
    folded = _folded(model)
    made = _quantized(
        folded, [{"pixels": image[None]} for image in images], op_types_to_quantize=["Conv", "Add", "Clip"]
    )
    weights = {weight.name: numpy_helper.to_array(weight) for weight in folded.graph.initializer}
    _refill(made, weights, _means(folded, images))
    return made


def _means(model: onnx.ModelProto, images: Pixels) -> dict[str, Array]:
    """For each convolution, by the name of its weight, the mean of every channel ``[I]`` that comes in."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    shown = copy.deepcopy(model)
    names = sorted({node.input[0] for node in convolutions})
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    sums: dict[str, Any] = dict.fromkeys(names, 0.0)
    for image in images:
        for name, values in zip(names, session.run(names, {"pixels": image[None]}), strict=True):
            sums[name] = sums[name] + values.mean((0, 2, 3))
    return {node.input[1]: sums[node.input[0]] / len(images) for node in convolutions}


def _refill(model: onnx.ModelProto, floats: Mapping[str, Array], means: Mapping[str, Array]) -> None:
    """Rounds the weights of quantized convolutions anew, by steps that cannot overflow, and corrects their biases.

    What the rounding of a channel's weights adds to its outputs on average is taken from its bias, if it has one (Nagel
    et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction").
    """
    stored = {weight.name: weight for weight in model.graph.initializer}
    unpacked = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}

    def put(name: str, values: AnyArray) -> None:
        stored[name].CopyFrom(numpy_helper.from_array(values, name))

    for node in (node for node in model.graph.node if node.op_type == "Conv"):
        given, weight, *bias = (unpacked[name] for name in node.input)
        w, *b = (floats[part.input[0].removesuffix(QUANTIZED)] for part in (weight, *bias))
        step = float(numpy_helper.to_array(stored[given.input[1]]))
        steps = steps_without_overflow(w)
        if b:
            steps = np.maximum(steps, np.abs(b[0]) / (step * LARGEST_BIAS)).astype(np.float32)
        rounded = np.rint(w / steps[:, None, None, None])
        put(weight.input[0], rounded.astype(np.int8))
        put(weight.input[1], steps)
        if b:
            added = (rounded * steps[:, None, None, None] - w).sum((2, 3))  # [O, I] a unit of what comes in
            mean = means[weight.input[0].removesuffix(QUANTIZED)]
            corrected = b[0] - (added[:, 0] * mean if w.shape[1] == 1 else added @ mean)
            put(bias[0].input[0], np.rint(corrected / (steps * step)).astype(np.int32))
            put(bias[0].input[1], (steps * step).astype(np.float32))


LARGEST_BIAS = 2**28  # of an integer bias, which leaves room for the sum of products in 32 bits


def steps_without_overflow(weight: Array) -> Array:
    """For each channel of a convolution the size of one step of its 8-bit weights.

    Two products of neighbours are added in 16 bits: 255 * 127 * 2 is too much, so of two neighbours the steps must not
    exceed 128 together. Neighbours are in the order of rows, columns, channels that come in. Depthwise convolutions add
    in 32 bits.

    Args:
        weight: float32 ``[O, I, H, W]``.

    Returns:
        float32 ``[O]``, > 0.
    """
    sizes = np.abs(weight).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    steps: Array = np.maximum(sizes.max(axis=1) / 127, 1e-9)
    if weight.shape[1] > 1:
        even = sizes.shape[1] // 2 * 2
        both = sizes[:, 0:even:2] + sizes[:, 1:even:2]
        steps = np.maximum(steps, both.max(axis=1) / (PAIR - 1))  # rounding adds up to half a step to each
    return steps.astype(np.float32)


PAIR = 32767 // 255  # steps of two neighbours whose products fit 16 bits


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
