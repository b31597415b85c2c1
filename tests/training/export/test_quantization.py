"""Quantized graphs agree with the float ones, whatever the batch."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import onnxruntime
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.decoding import Decoding
from imagist.training.captioners.vocabulary import SPECIAL, WordVocabulary
from imagist.training.export import graphs as export
from imagist.training.export import quantization
from imagist.training.networks.build import build

pytestmark = [pytest.mark.torch, pytest.mark.slow]


WORDS, CELLS, CHANNELS = 300, 49, 64
WIDE = {
    "attention": {"kind": "attention", "hidden_size": 96, "embedding_size": 96, "attention_size": 96},
    "lstm": {"kind": "lstm", "hidden_size": 96, "embedding_size": 96},
    "transformer": {"kind": "transformer", "width": 96, "heads": 3, "layers": 2},
}
LOOSE = {"attention": 0.1, "lstm": 0.1, "transformer": 0.3}  # of log-probabilities


@pytest.fixture(scope="module", params=WIDE)
def made(request):
    torch.manual_seed(0)
    decoder = build(WIDE[request.param], words=WORDS, channels=CHANNELS, cells=CELLS, max_length=8).eval()
    vocabulary = WordVocabulary((*SPECIAL, *(f"w{i}" for i in range(WORDS - 3))))
    grids = np.random.default_rng(0).normal(size=(6, CELLS, CHANNELS)).astype(np.float32)
    feeds = quantization.captioner_feeds(decoder, grids, vocabulary, Decoding(3, 1, 6))
    graphs = export.decoder_graphs(decoder, CELLS, CHANNELS, vocabulary.suppressed_tokens)
    assert {*feeds} == {*graphs}
    plain = {name: export.to_onnx(graph) for name, graph in graphs.items()}
    small = {name: quantization.quantize(plain[name], feeds[name]) for name in plain}
    return SimpleNamespace(kind=request.param, decoder=decoder, plain=plain, small=small, feeds=feeds)


STEP = "step.onnx"


def run(model, feed):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([part.name for part in session.get_outputs()], session.run(None, feed), strict=True))


def test_what_the_steps_were_given_is_what_they_take(made):
    asked = {part.name for part in made.plain[STEP].graph.input}
    assert len(made.feeds[STEP]) == 6
    for t, feed in enumerate(made.feeds[STEP]):
        assert {*feed} == asked
        assert feed["word"].shape == (6, 3)
        for name, axis in made.decoder.growing.items():
            assert feed[name].shape[axis] == t + 1


def test_it_says_nearly_what_the_float_graph_says(made):
    exact, rough = (run(models[STEP], made.feeds[STEP][2]) for models in (made.plain, made.small))
    best = [dict(zip(of["ids"][0, 0].tolist(), of["logprobs"][0, 0].tolist(), strict=True)) for of in (exact, rough)]
    shared = {*best[0]} & {*best[1]}
    assert len(shared) >= 0.7 * len(best[0])
    for word in shared:
        assert best[1][word] == pytest.approx(best[0][word], abs=LOOSE[made.kind])
    renewed = [name for name in exact if name.startswith("new_")]
    assert renewed
    for name in renewed:
        np.testing.assert_allclose(rough[name], exact[name], atol=0.05 * np.abs(exact[name]).max())
    assert any(not np.array_equal(rough[name], exact[name]) for name in renewed)
    assert made.small[STEP].ByteSize() < 0.6 * made.plain[STEP].ByteSize()


def test_a_photo_s_words_do_not_depend_on_the_batch(made):
    feed = made.feeds[STEP][2]
    together = run(made.small[STEP], feed)
    alone = run(made.small[STEP], {k: v if k == "candidates" else v[:1] for k, v in feed.items()})
    for name, one in alone.items():
        np.testing.assert_allclose(one, together[name][:1], atol=1e-6)


def test_the_beginning_is_made_small_as_well(made):
    begin = "begin.onnx"
    exact, rough = (run(models[begin], made.feeds[begin][0]) for models in (made.plain, made.small))
    for name, values in exact.items():
        assert rough[name].shape == values.shape
        np.testing.assert_allclose(rough[name], values, atol=0.1 * np.abs(values).max())


def test_the_weights_can_be_had_back(made):
    if made.kind != "attention":
        pytest.skip("only the attention captioner is restored")
    weight = made.decoder.cell.weight_ih.detach().numpy()
    back = quantization.dequantized(made.small[STEP])["decoder.cell.weight_ih"]
    assert back.shape == weight.shape
    np.testing.assert_allclose(back, weight, atol=np.abs(weight).max() / 60)


def test_a_graph_without_large_weights_is_left_in_floats():
    torch.manual_seed(0)
    small = {"kind": "attention", "hidden_size": 8, "embedding_size": 8, "attention_size": 8}
    decoder = build(small, words=30, channels=12, cells=9, max_length=8).eval()
    vocabulary = WordVocabulary((*SPECIAL, *(f"w{i}" for i in range(27))))
    grids = np.random.default_rng(0).normal(size=(3, 9, 12)).astype(np.float32)
    feeds = quantization.captioner_feeds(decoder, grids, vocabulary, Decoding(2, 1, 4))[STEP]
    plain = export.to_onnx(export.decoder_graphs(decoder, 9, 12, vocabulary.suppressed_tokens)[STEP])
    left = quantization.quantize(plain, feeds)
    assert "DequantizeLinear" not in {node.op_type for node in left.graph.node}
    for name, values in run(plain, feeds[1]).items():
        np.testing.assert_allclose(run(left, feeds[1])[name], values, atol=1e-5)


class Convolutions(torch.nn.Module):
    """Three convolutions over pixels: of all channels, depthwise, pointwise."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.ReLU6(), torch.nn.Conv2d(8, 8, 3, 1, 1, groups=8),
            torch.nn.ReLU6(), torch.nn.Conv2d(8, 12, 1),
        )  # fmt: skip

    def forward(self, pixels):
        return self.layers(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).flatten(2).transpose(1, 2)


def test_quantized_convolutions_see_nearly_the_same():
    torch.manual_seed(0)
    network = Convolutions().eval()
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
    plain = export.to_onnx(export.encoder_graph(network, 16))
    small = quantization.quantize_convolutions(plain, images)
    exact, rough = (run(model, {"pixels": images})["grid"] for model in (plain, small))
    step = (exact.max() - exact.min()) / 255  # of the 8 bits that hold the outputs
    assert (np.abs(rough - exact).mean((0, 1)) < step).all()
    assert (np.abs((rough - exact).mean((0, 1))) < 0.25 * step).all()  # biases make up for what rounding adds
    held = quantization.dequantized(small)
    for name, weight in network.named_parameters():
        assert np.abs(held[name] - weight.detach().numpy()).max() < 0.03 * weight.abs().max()


@given(st.integers(1, 5), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_no_two_neighbours_overflow_16_bits(channels, inputs, side, seed):
    rng = np.random.default_rng(seed)
    weight = (rng.normal(size=(channels, inputs, side, side)) ** 3).astype(np.float32)
    steps = quantization.steps_without_overflow(weight)
    integers = np.rint(weight / steps[:, None, None, None])
    assert np.abs(integers).max() <= 127
    if inputs > 1:
        row = np.abs(integers.transpose(0, 2, 3, 1).reshape(channels, -1))
        even = row.shape[1] // 2 * 2
        assert 255 * (row[:, 0:even:2] + row[:, 1:even:2]).max() <= 2**15 - 1
