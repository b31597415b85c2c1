"""The ONNX graphs compute the same as the torch modules."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

import onnxruntime

import tiny_bundles
from imagist.bundle import open_bundle, open_folder
from imagist.captioning.decoding import Decoding, generate
from imagist.captioning.options import CaptionOptions
from imagist.errors import BundleTampered
from imagist.training.captioners.evaluator import TorchBeams, next_words
from imagist.training.captioners.vocabulary import WordVocabulary
from imagist.training.encoders.backbone import HALF
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.export import bundle as assemble
from imagist.training.export import graphs as export
from imagist.training.networks.attention import AttentionDecoder
from imagist.training.networks.decoder import beams_of
from imagist.training.networks.efficientnet_lite import EfficientNetLite

pytestmark = [pytest.mark.torch, pytest.mark.slow]

WORDS = ("<end>", "<start>", "<unknown>", *(f"w{i}" for i in range(37)))


def network():
    """The encoder before folding, the same each time."""
    torch.manual_seed(1)
    encoder = EfficientNetLite(classes=0).eval()
    with torch.no_grad():
        for norm in (m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)
            norm.weight.uniform_(0.7, 1.2)  # more would amplify the rounding from layer to layer
    return encoder


@pytest.fixture(scope="module")
def parts():
    encoder = network()
    decoder = AttentionDecoder(len(WORDS), 1280, hidden_size=16, embedding_size=24, attention_size=8).eval()
    return assemble.Parts(
        "embedded", "for a test", "attention", GridEncoder(encoder, 1280, HALF, HALF), 224, decoder,
        WordVocabulary(WORDS), Decoding(3, 1, 8, 0.7),
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "embedded"
    assemble.export_bundle(parts, folder)
    return folder


@pytest.fixture(scope="module")
def models(bundle):
    """The graphs in float32, as the bundle holds them."""
    graphs = {path.name: onnx.load(path) for path in bundle.rglob("*.onnx")}
    assert {*graphs} == {"encoder.onnx", "begin.onnx", "step.onnx"}
    return graphs


def run(model, **inputs):
    """What a graph gives, by name."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    arrays = {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}
    return dict(zip([part.name for part in session.get_outputs()], session.run(None, arrays), strict=True))


@pytest.mark.parametrize("n", [1, 3])
def test_the_encoder(models, n):
    """Against the network before its batch norms are folded."""
    pixels = torch.randint(0, 256, (n, 224, 224, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = network()(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).flatten(2).transpose(1, 2)
    found = run(models["encoder.onnx"], pixels=pixels)["grid"]
    assert found.shape == (n, 49, 1280)
    np.testing.assert_allclose(found, expected, atol=5e-4)  # float32 rounds by 1e-4 over 49 layers


@pytest.mark.parametrize("n", [1, 4])
def test_the_captioner_s_first_step(parts, models, n):
    grid = torch.randn(n, 49, 1280)
    with torch.no_grad():
        memory, state = parts.decoder.begin(grid)
    found = run(models["begin.onnx"], grid=grid)
    assert [*found] == [*memory, *state]
    for name, expected in (memory | state).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-4)


@pytest.mark.parametrize(("n", "beams", "candidates"), [(1, 1, 3), (2, 3, 7), (3, 5, 40)])
def test_the_captioner_s_next_steps(parts, models, n, beams, candidates):
    word = torch.randint(0, len(WORDS), (n, beams))
    with torch.no_grad():
        memory, first = parts.decoder.begin(torch.randn(n, 49, 1280))
        state = {name: torch.randn_like(x) for name, x in beams_of(first, beams).items()}
        expected = next_words(parts.decoder, word, memory, state, candidates, parts.vocabulary.suppressed_tokens)
    found = run(models["step.onnx"], word=word, candidates=np.array([candidates]), **memory, **state)
    assert [*found] == ["logprobs", "ids", "attention", *(f"new_{name}" for name in state)]
    assert found["logprobs"].shape == (n, beams, candidates)
    usable = min(candidates, len(WORDS) - 2)  # the last two are the banned ones, at the same chance
    np.testing.assert_array_equal(found["ids"][..., :usable], expected[1][..., :usable])
    assert not {1, 2} & {*found["ids"][..., :usable].flatten().tolist()}
    np.testing.assert_allclose(found["logprobs"][..., :usable], expected[0][..., :usable], atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected[2], atol=1e-4)
    for name, new in expected[3].items():
        np.testing.assert_allclose(found[f"new_{name}"], new, atol=1e-4)


def test_folding_leaves_the_encoder_alone():
    encoder = network()
    before = copy.deepcopy(encoder.state_dict())
    export.folded(encoder)
    after = encoder.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_halves_are_half_the_size_and_nearly_the_same(models):
    whole = models["begin.onnx"]
    half = export.halved(whole)
    assert half.ByteSize() < 0.6 * whole.ByteSize()
    grid = np.random.default_rng(0).normal(size=(2, 49, 1280)).astype(np.float32)
    for ours, theirs in zip(run(half, grid=grid).values(), run(whole, grid=grid).values(), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=5e-3)
        assert not np.array_equal(ours, theirs)


def test_nothing_of_this_machine_is_in_a_graph(models):
    for model in models.values():
        assert b"/site-packages/" not in model.SerializeToString()
        assert b"imagist/training" not in model.SerializeToString()


def test_an_encoder_is_exported_once_until_its_weights_or_its_side_change():
    encoder = tiny_bundles.Eye().eval()
    model = export.encoder_onnx(encoder, 24)
    assert export.encoder_onnx(encoder, 24) is model
    with torch.no_grad():
        encoder.patches.bias[0] += 1
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    for side in (24, 32):
        changed, shown = export.encoder_onnx(encoder, side), pixels[:, :side, :side].contiguous()
        with torch.no_grad():
            np.testing.assert_allclose(run(changed, pixels=shown)["grid"], encoder(shown), atol=1e-5)


def test_a_written_bundle_agrees_with_the_modules(parts, bundle):
    rng = np.random.default_rng(5)
    figures = assemble.parity(parts, bundle, rng.integers(0, 256, (4, 64, 64, 3), np.uint8))
    assert figures["images"] == 4
    assert figures["equal_captions"] == 1
    assert figures["logprobs"] < 1e-3


def test_a_changed_file_is_refused(parts, bundle):
    assert open_bundle(bundle).part("captioner").lines("vocabulary.txt") == WORDS
    copied = shutil.copytree(bundle, bundle.parent / "copy")
    (copied / "captioner" / "vocabulary.txt").write_text("w9\n")
    with pytest.raises(BundleTampered, match=r"vocabulary\.txt"):
        open_bundle(copied).part("captioner").lines("vocabulary.txt")


def test_it_is_written_whole_or_not_at_all(parts, bundle, monkeypatch):
    before = open_bundle(bundle).version
    monkeypatch.setattr(export, "to_onnx", lambda graph: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        assemble.export_bundle(parts, bundle)
    assert open_bundle(bundle).version == before
    assert open_folder(bundle / "encoder").read("encoder.onnx")


def test_torch_and_onnx_give_the_same_captions(parts, bundle):
    from imagist.captioning.backends.stepwise import load as load_captioner

    settings = Decoding(3, 3, 8, 0.7)
    captioner = load_captioner(str(bundle), CaptionOptions(settings))
    grids = np.random.default_rng(8).normal(size=(5, 49, 1280)).astype(np.float32)
    beams = TorchBeams(parts.decoder, torch.from_numpy(grids), 3, parts.vocabulary)
    for ours, theirs in zip(captioner.sentences(grids), generate(beams, 5, settings), strict=True):
        assert [s.words.tolist() for s in ours] == [s.words.tolist() for s in theirs]
        for a, b in zip(ours, theirs, strict=True):
            assert a.logprob == pytest.approx(b.logprob, abs=1e-4)
            np.testing.assert_allclose(a.attention, b.attention, atol=1e-5)


def test_a_bundle_gives_its_modules_back(parts, bundle):
    from imagist.training.export.restore import restore

    restored = restore(open_bundle(bundle))
    expected = parts.decoder.state_dict()
    assert restored.decoder.state_dict().keys() == expected.keys()
    for name, weight in restored.decoder.state_dict().items():
        torch.testing.assert_close(weight, expected[name])
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(restored.encoder(pixels), parts.encoder(pixels), atol=5e-4, rtol=1e-4)


def test_matrices_in_bytes_are_within_half_a_step():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(128, 96), torch.nn.Tanh(), torch.nn.Linear(96, 3)).eval()
    whole = export.to_onnx(export.Graph(module, [("x", torch.zeros(2, 128), {0: "n"})], ["y"]))
    small = export.in_bytes(whole)
    assert len(small.SerializeToString()) < 0.4 * len(whole.SerializeToString())
    x = torch.randn(5, 128)
    [found] = run(small, x=x.numpy()).values()
    np.testing.assert_allclose(found, module(x).detach().numpy(), atol=0.01)
    assert not np.array_equal(found, module(x).detach().numpy())
