"""Bundles of every captioner that is trained here, held to the modules that they were written from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("transformers")

import tiny_bundles
from imagist.bundle import open_bundle
from imagist.captioning.backends.stepwise import load as load_captioner
from imagist.captioning.decoding import Decoding
from imagist.captioning.loading import card_decoding
from imagist.captioning.options import CaptionOptions
from imagist.images.encoder import ClassHead, Encoder
from imagist.records import Photo
from imagist.training.encoders.grid_encoder import Space
from imagist.training.export import bundle as assemble
from imagist.training.export import graphs

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture(scope="module", params=tiny_bundles.NAMES)
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / request.param
    return tiny_bundles.parts(request.param), tiny_bundles.write(folder, request.param)


@pytest.fixture(scope="module")
def pixels():
    """Of many sides; they are made square."""
    return np.random.default_rng(5).integers(0, 256, (6, 40, 30, 3), np.uint8)


def test_a_written_bundle_agrees_with_its_modules(made, pixels):
    figures = assemble.parity(*made, pixels)
    assert figures.keys() == {"images", "equal_captions", "logprobs"}  # and no scores, as it does not classify
    assert (figures["images"], figures["equal_captions"]) == (6, 1)
    assert figures["logprobs"] < 1e-3


def test_parity_measures_a_difference(made, pixels):
    parts, folder = made
    other = tiny_bundles.parts(parts.name)
    with torch.no_grad():
        for parameter in other.decoder.parameters():
            parameter.mul_(1.01)
    figures = assemble.parity(other, folder, pixels)
    assert figures["equal_captions"] < 1 or figures["logprobs"] > 1e-3


def test_its_card_says_how_to_read_it(made):
    parts, folder = made
    bundle = open_bundle(folder)
    assert {*bundle.card["parts"]} == {"encoder", "captioner"}
    captioner = bundle.part("captioner")
    assert {*captioner.files} == {"begin.onnx", "step.onnx", "vocabulary.txt"}
    card = captioner.card
    assert captioner.kind == parts.kind
    assert card["end"] == parts.vocabulary.end
    assert card["languages"] == parts.vocabulary.starts
    assert [*card["languages"]] == [*parts.vocabulary.starts]  # the main one first
    assert card["tokens"] == parts.vocabulary.tokens
    assert card_decoding(captioner) == parts.search
    assert captioner.lines("vocabulary.txt") == parts.vocabulary.lines


def test_nothing_of_this_machine_is_in_it(made):
    for file in (path for path in made[1].rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert not [word for word in (b"site-packages", b"imagist/training", b"/tmp/", b"/home/") if word in content]


def test_a_quantized_one_is_smaller_and_captions_nearly_the_same(made, pixels, tmp_path, monkeypatch):
    parts, folder = made
    files = {"pixels": "encoder/encoder.onnx", "grid": "captioner/begin.onnx", "word": "captioner/step.onnx"}
    monkeypatch.setattr(graphs, "to_onnx", lambda graph: onnx.load(folder / files[graph.inputs[0][0]]))  # same weights
    assemble.export_bundle(parts, tmp_path / "small", pixels[:, :24, :24].copy())
    sizes = [open_bundle(where).size for where in (tmp_path / "small", folder)]
    assert sizes[0] < sizes[1]
    photos = [Photo(p) for p in pixels]
    settings = CaptionOptions(Decoding(1, 1, 1))
    small, whole = (load_captioner(str(where), settings).caption(photos) for where in (tmp_path / "small", folder))
    same = [(a, b) for a, b in zip(small, whole, strict=True) if a.text == b.text]
    assert len(same) >= len(photos) / 2
    for a, b in same:
        assert a.logprob == pytest.approx(b.logprob, abs=1.0)


def test_with_a_space_the_encoder_has_classes_and_others_may_serve_the_captioner(made, pixels, tmp_path, monkeypatch):
    parts, folder = made
    if parts.kind != "attention":
        pytest.skip("the same for every captioner")
    files = {"pixels": "encoder/encoder.onnx", "grid": "captioner/begin.onnx", "word": "captioner/step.onnx"}
    monkeypatch.setattr(graphs, "to_onnx", lambda graph: onnx.load(folder / files[graph.inputs[0][0]]))  # same weights
    rng = np.random.default_rng(0)
    head = ClassHead(rng.normal(size=(12, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32))
    whole = replace(parts, space=Space("tiny@24", head))
    bundle = assemble.export_bundle(whole, tmp_path / "whole")
    assert bundle.encoder.card["space"] == bundle.part("captioner").card["space"] == "tiny@24"
    assert "encoder" not in bundle.part("captioner").card
    grids = rng.normal(size=(2, 9, 12)).astype(np.float32)
    logits = grids.mean(1) @ head.weight + head.bias
    found = Encoder(bundle.encoder).classes(grids)
    np.testing.assert_allclose(found, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-4)
    assert assemble.parity(whole, tmp_path / "whole", pixels)["equal_captions"] == 1
    small = assemble.export_bundle(whole, tmp_path / "small", pixels[:, :24, :24].copy()).encoder
    assert small.arrays("classes.npz")["weight"].dtype == np.float16
