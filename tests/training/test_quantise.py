"""Graphs that multiply bytes say nearly what the float ones say, and the same whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import onnxruntime  # noqa: E402

from imagist.decoding import Decoding  # noqa: E402
from imagist.training import export, quantise  # noqa: E402
from imagist.training.networks import Decoder  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture(scope="module")
def made():
    torch.manual_seed(0)
    decoder = Decoder(300, 64, 96, 96, 96).eval()
    grids = np.random.default_rng(0).normal(size=(6, 49, 64)).astype(np.float32)
    feeds = quantise.captioner_feeds(decoder, grids, Decoding(3, 1, 6))
    given = feeds["captioner-step.onnx"][1]
    axes = {name: {0: "n"} | ({1: "b"} if name in ("word", "state", "cell") else {}) for name in given}
    order = ["word", "values", "keys", "state", "cell"]
    step = [(name, torch.from_numpy(given[name]), axes[name]) for name in order]
    step += [("candidates", torch.tensor([5]), {})]
    names = ["logprobs", "ids", "attention", "new_state", "new_cell"]
    plain = export.to_onnx(export.Graph(export.StepGraph(decoder), step, names))
    return decoder, plain, quantise.quantised(plain, feeds["captioner-step.onnx"]), feeds["captioner-step.onnx"]


def run(model, feed):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def test_it_says_nearly_what_the_float_graph_says(made):
    _, plain, small, feeds = made
    exact, rough = run(plain, feeds[2]), run(small, feeds[2])
    np.testing.assert_allclose(rough[0], exact[0], atol=0.1)
    np.testing.assert_allclose(rough[3], exact[3], atol=0.05)
    assert not np.array_equal(rough[3], exact[3])
    assert small.ByteSize() < 0.6 * plain.ByteSize()


def test_a_photo_s_words_do_not_depend_on_the_batch(made):
    _, _, small, feeds = made
    together = run(small, feeds[2])
    alone = run(small, {k: v if k == "candidates" else v[:1] for k, v in feeds[2].items()})
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, many[:1], atol=1e-6)


def test_the_weights_can_be_had_back(made):
    decoder, _, small, _ = made
    weight = decoder.cell.weight_ih.detach().numpy()
    back = quantise.dequantised(small)["decoder.cell.weight_ih"]
    assert back.shape == weight.shape
    np.testing.assert_allclose(back, weight, atol=np.abs(weight).max() / 60)
