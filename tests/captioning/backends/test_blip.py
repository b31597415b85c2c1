"""BLIP beyond what all pretrained captioners do (tests/captioning/pretrained)."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.backends import blip
from imagist.captioning.decoding import Decoding
from imagist.captioning.options import CaptionOptions

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_checkpoints.blip(tmp_path_factory.mktemp("tiny") / "blip"))


def test_it_starts_and_ends_as_blip_does(folder):
    captioner = blip.load(folder, CaptionOptions(), prompt="a picture of")
    checkpoint, start = captioner._checkpoint, captioner._generator._start
    text = checkpoint.model.config.text_config
    assert start.input_ids[0] == text.bos_token_id >= len(checkpoint.tokenizer)  # [DEC], which no tokenizer has
    assert checkpoint.tokenizer.decode(start.input_ids[1:]) == "a picture of [SEP]"
    assert start.ends == [text.sep_token_id]
    assert start.returned == start.length == 4


def test_the_standalone_demo_has_its_lengths(folder, photos):
    captioner = blip.load(f"{folder}#standalone", CaptionOptions(decoding=Decoding(nbest=2, max_length=99)))
    assert (captioner.decoding.beam, captioner.decoding.max_length) == (3, 16)
    assert captioner.id.endswith("early_stopping=False,prompt='a picture of')")
    for caption in captioner.caption(photos):
        assert 1 <= len(caption.tokens) <= 16


@pytest.mark.parametrize(
    ("name", "model"),
    [("blip-base", "base"), ("blip-large", "large"), (None, "base"), ("blip-large#standalone", "large")],
)
def test_short_names_are_those_of_clip_interrogator(name, model, monkeypatch):
    asked = []

    def load(model, *_, **__):
        asked.append(model)
        raise KeyError

    monkeypatch.setattr("imagist.captioning.pretrained.captioner.load", load)
    with pytest.raises(KeyError):
        blip.load(name, CaptionOptions())
    assert asked == [f"Salesforce/blip-image-captioning-{model}"]
