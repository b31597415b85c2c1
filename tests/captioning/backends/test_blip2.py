"""BLIP-2 beyond what all pretrained captioners do (tests/captioning/pretrained): its two kinds of language models."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.backends import blip2
from imagist.captioning.options import CaptionOptions
from imagist.errors import BundleError

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    place = tmp_path_factory.mktemp("tiny")

    def captioner(language, **settings):
        folder = place / language
        if not folder.exists():
            tiny_checkpoints.blip2(folder, language)
        return blip2.load(str(folder), CaptionOptions(), **settings)

    return captioner


def test_opt_continues_the_prompt_and_ends_with_a_new_line(opened):
    captioner = opened("opt", prompt="a dog")
    start, tokenizer = captioner._generator._start, captioner._checkpoint.tokenizer
    queries = captioner._checkpoint.model.config.num_query_tokens
    assert tokenizer.decode(start.input_ids[queries:]) == "</s>a dog"
    assert tokenizer.decode(start.ends) == "\n"
    assert start.returned == len(start.input_ids)
    assert tokenizer.eos_token_id in captioner._generator._settings["suppress_tokens"]


def test_t5_reads_the_prompt_and_begins_to_write_anew(opened):
    captioner = opened("t5", prompt="the picture of")
    start, tokenizer = captioner._generator._start, captioner._checkpoint.tokenizer
    assert (
        tokenizer.decode(start.input_ids[captioner._checkpoint.model.config.num_query_tokens :]) == "the picture of</s>"
    )
    assert start.ends == [tokenizer.eos_token_id]
    assert (start.returned, start.length, start.positions) == (1, 1, None)


def test_a_checkpoint_without_an_image_token_is_refused(opened):
    checkpoint = opened("opt")._checkpoint
    token, checkpoint.model.config.image_token_index = checkpoint.model.config.image_token_index, None
    with pytest.raises(BundleError, match="image token"):
        blip2._start(checkpoint, "")
    checkpoint.model.config.image_token_index = token


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float32"), ("cuda:0", "bfloat16")])
def test_on_a_gpu_the_weights_are_halved(device, dtype, monkeypatch):
    asked = []

    def load(*place, **settings):
        asked.append((place, settings))
        raise KeyError

    monkeypatch.setattr("imagist.captioning.pretrained.captioner.load", load)
    with pytest.raises(KeyError):
        blip2.load("blip2-flan-t5-xl", CaptionOptions(device=device))
    ((place, settings),) = asked
    assert place[0] == "Salesforce/blip2-flan-t5-xl"
    assert settings == {"device": device, "dtype": dtype, "processor": False}


def test_short_names_are_those_of_clip_interrogator():
    assert blip2.MODELS["blip2-2.7b"] == "Salesforce/blip2-opt-2.7b"
