"""Captions in other languages, by a tiny MarianMT model with random weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sentencepiece")
pytest.importorskip("sacremoses")

from safetensors.torch import load_file, save_file

import tiny_checkpoints
from imagist.captioning import translation
from imagist.captioning.backends import blip, blip2, git
from imagist.captioning.decoding import Decoding
from imagist.captioning.options import CaptionOptions
from imagist.captioning.translation import TranslatedCaptioner, Translator, translator_into
from imagist.errors import ModelFailed, UnknownName, UsageError
from imagist.protocols import Captioner
from imagist.records import Caption, Hypothesis, Photo

pytestmark = pytest.mark.torch

SENTENCES = [
    "a dog runs on the grass",
    "two",
    "a small child in a red street holds a ball with the woman",
    "three cat sits in water",
    "the man rides",
    "green grass",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_checkpoints.marian(tmp_path_factory.mktemp("tiny") / "marian")


@pytest.fixture(scope="module")
def translator(folder):
    return Translator(str(folder))


class Recorded:
    """Returns given captions."""

    id = "recorded"
    concurrent = True

    def __init__(self, captions):
        self.captions = captions

    def caption(self, photos):
        return self.captions[: len(photos)]


class Upper:
    """Translates into capital letters; ``a`` and ``b`` become the same."""

    id = "upper"

    def translate(self, texts):
        return [text.upper().replace("B", "A") for text in texts]


def captioned(*texts):
    nbest = tuple(Hypothesis(text, -float(i + 1)) for i, text in enumerate(texts))
    words = tuple(texts[0].split())
    return Caption(texts[0], -1.0, words, nbest, np.ones((len(words), 1, 1), np.float32))


def test_padded_sentences_are_translated_as_single_ones(translator):
    together = translator.translate(SENTENCES)
    assert [translator.translate([sentence])[0] for sentence in SENTENCES] == together
    assert len(set(together)) == len(SENTENCES)
    assert all(text == " ".join(text.split()) != "" for text in together)


def test_it_is_the_translation_of_generate(translator):
    checkpoint = translator._checkpoint
    for sentence, found in zip(SENTENCES, translator.translate(SENTENCES), strict=True):
        given = checkpoint.tokenizer([sentence], return_tensors="pt")
        ids = checkpoint.model.generate(**given)
        assert checkpoint.tokenizer.decode(ids[0], skip_special_tokens=True) == found


def test_the_batch_size_does_not_matter(translator, folder):
    assert Translator(str(folder), batch_size=2).translate(SENTENCES) == translator.translate(SENTENCES)


def test_blank_sentences_stay_blank_and_double_ones_double(translator):
    first = translator.translate(SENTENCES[:1])[0]
    assert translator.translate(["", SENTENCES[0], " ", SENTENCES[0]]) == ["", first, "", first]
    assert translator.translate([]) == []


def test_weights_that_marian_computes_need_not_be_there(folder, translator, tmp_path):
    """As in the published files, which hold no sinusoids."""
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "embed_positions" not in name}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    assert Translator(str(copy)).translate(SENTENCES) == translator.translate(SENTENCES)


def test_an_empty_translation_is_an_error_that_names_the_sentence(translator, monkeypatch):
    monkeypatch.setattr(translator, "_batch", lambda texts: ["" for _ in texts])
    with pytest.raises(ModelFailed, match="empty") as caught:
        translator.translate(["a dog"])
    assert caught.value.item == "a dog"


def test_a_caption_is_translated_with_its_hypotheses():
    captioner = TranslatedCaptioner(Recorded([captioned("a dog", "b dog", "c dog")]), Upper())
    assert isinstance(captioner, Captioner)
    assert captioner.id == "recorded+upper"
    (caption,) = captioner.caption([Photo(np.zeros((2, 2, 3), np.uint8))])
    assert (caption.text, caption.tokens, caption.logprob) == ("A DOG", ("A", "DOG"), -1.0)
    assert caption.nbest == (Hypothesis("A DOG", -1.0), Hypothesis("C DOG", -3.0))
    assert caption.attention is None


def test_no_photos_no_captions(translator):
    assert TranslatedCaptioner(Recorded([]), translator).caption([]) == []


@pytest.mark.parametrize("language", [None, "en"])
def test_english_is_not_translated(language):
    assert translator_into(CaptionOptions(language=language)) is None


def test_an_unknown_language_lists_the_known_ones():
    with pytest.raises(UnknownName, match="one of cs, de, en, fr") as caught:
        translator_into(CaptionOptions(language="xx"))
    assert caught.value.item == "xx"


@pytest.mark.parametrize("language", ["cs", "de", "fr"])
def test_each_language_has_a_published_model(language, monkeypatch):
    asked = []
    monkeypatch.setattr(translation, "load", lambda model, *_, **__: asked.append(model))
    with pytest.raises(AttributeError):
        translator_into(CaptionOptions(language=language))
    assert asked == [f"Helsinki-NLP/opus-mt-en-{language}"]


CAPTIONERS = {
    "blip": (blip.load, lambda folder: tiny_checkpoints.blip(folder)),
    "git": (git.load, lambda folder: tiny_checkpoints.git(folder)),
    "blip2": (blip2.load, lambda folder: tiny_checkpoints.blip2(folder, "opt")),
}


@pytest.mark.parametrize("name", CAPTIONERS)
def test_pretrained_captioners_translate_when_asked_to(name, folder, translator, tmp_path, photos):
    door, write = CAPTIONERS[name]
    model = str(write(tmp_path / name))
    decoding = Decoding(beam=2, nbest=2, max_length=6)
    english = door(model, CaptionOptions(decoding=decoding)).caption(photos[:4])
    german = door(model, CaptionOptions(decoding=decoding, language="de"), translator=str(folder))
    assert german.id.endswith(f"+{translator.id}")
    captions = german.caption(photos[:4])
    assert [c.text for c in captions] == translator.translate([c.text for c in english])
    assert [c.logprob for c in captions] == [c.logprob for c in english]
    assert [c.tokens for c in captions] == [tuple(c.text.split()) for c in captions]


@pytest.mark.parametrize("door", [blip.load, git.load, blip2.load])
def test_an_unknown_language_is_refused_before_anything_is_loaded(door):
    with pytest.raises(UnknownName, match="one of cs"):
        door("no/such/folder", CaptionOptions(language="tlh"))


def test_a_model_that_is_no_translator_is_refused(tmp_path):
    model = tiny_checkpoints.git(tmp_path / "git")
    with pytest.raises(UsageError, match="marian"):
        Translator(str(model))
