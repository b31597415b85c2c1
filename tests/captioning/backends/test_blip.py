"""BLIP beyond what all pretrained captioners do (tests/pretrained)."""

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
    captioner = blip.from_model(folder, CaptionOptions())
    text = captioner._checkpoint.model.config.text_config
    assert captioner._vocabulary.start == text.bos_token_id
    assert captioner._vocabulary.ends == [text.sep_token_id]
    assert text.bos_token_id >= len(captioner._checkpoint.tokenizer)  # [DEC], which the tokenizer does not know


def test_after_a_prompt_its_last_word_is_not_said_again(folder):
    captioner = blip.from_model(folder, CaptionOptions(), prompt="an image of")
    assert captioner._checkpoint.tokenizer.decode([captioner._vocabulary.start]) == "of"


def test_the_standalone_demo_has_its_lengths(folder, photos):
    captioner = blip.from_model(f"{folder}#standalone", CaptionOptions(decoding=Decoding(nbest=2, max_length=99)))
    assert (captioner.decoding.beam, captioner.decoding.max_length, captioner._vocabulary.shortest) == (3, 16, 1)
    assert captioner.id.endswith("prompt='an image of')")
    for caption in captioner.caption(photos):
        assert 1 <= len(caption.tokens) <= 16


@pytest.mark.parametrize("name", ["blip-base", "blip-large"])
def test_short_names_are_those_of_clip_interrogator(name, monkeypatch):
    asked = []

    def load(model, *_, **__):
        asked.append(model)
        raise KeyError

    monkeypatch.setattr("imagist.captioning.pretrained.captioner.load", load)
    for suffix in ("", "#clip-interrogator"):
        with pytest.raises(KeyError):
            blip.from_model(name + suffix, CaptionOptions())
    assert asked == [f"Salesforce/blip-image-captioning-{name[5:]}"] * 2
