"""BLIP-2 beyond what all pretrained captioners do (tests/pretrained): its two kinds of language models."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.backends import blip2
from imagist.captioning.options import CaptionOptions

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    place = tmp_path_factory.mktemp("tiny")

    def captioner(language, **settings):
        folder = place / language
        if not folder.exists():
            tiny_checkpoints.blip2(folder, language)
        return blip2.from_model(str(folder), CaptionOptions(), **settings)

    return captioner


def test_opt_ends_with_a_new_line(opened):
    captioner = opened("opt")
    vocabulary, tokenizer = captioner._vocabulary, captioner._checkpoint.tokenizer
    assert tokenizer.decode(vocabulary.ends) == "\n"
    assert vocabulary.start == tokenizer.bos_token_id
    assert tokenizer.eos_token_id in vocabulary.suppressed_tokens


def test_t5_reads_the_prompt_and_begins_to_write_anew(opened):
    captioner = opened("t5", prompt="an image of")
    tokenizer = captioner._checkpoint.tokenizer
    assert captioner._vocabulary.start == captioner._checkpoint.model.config.text_config.decoder_start_token_id
    assert captioner._vocabulary.ends == [tokenizer.eos_token_id]
    assert tokenizer.decode(captioner._model._before) == "an image of</s>"


@pytest.mark.parametrize("language", ["opt", "t5"])
def test_the_language_model_is_given_what_the_published_class_gives_it(opened, language):
    captioner = opened(language)
    network, pixels = captioner._checkpoint.model, torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        given = blip2._given(network, pixels, [5, 6])
        expected = network.get_image_features(pixels).pooler_output
    assert given.shape == (2, network.config.num_query_tokens + 2, 32)
    torch.testing.assert_close(given[:, :-2], expected)


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "float32"), ("cuda:0", "bfloat16")])
def test_on_a_gpu_the_weights_are_halved(device, dtype, monkeypatch):
    asked = []

    def load(*place, **settings):
        asked.append((place, settings))
        raise KeyError

    monkeypatch.setattr("imagist.captioning.pretrained.captioner.load", load)
    with pytest.raises(KeyError):
        blip2.from_model("blip2-flan-t5-xl", CaptionOptions(device=device))
    ((place, settings),) = asked
    assert place[0] == "Salesforce/blip2-flan-t5-xl"
    assert settings == {"device": device, "dtype": dtype}


def test_short_names_are_those_of_clip_interrogator():
    assert blip2.MODELS["blip2-2.7b"] == "Salesforce/blip2-opt-2.7b"
