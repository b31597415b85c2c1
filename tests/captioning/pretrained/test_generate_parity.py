"""Our search over a cached model against ``generate`` of transformers, and against the model without any cache.

Where both searches mean the same they must find the same. They do with ``early_stopping=True`` (a photo is done when
B hypotheses have ended) and ``length_penalty=0``. With another length penalty transformers counts the end among the
words, which we do not; and by default it goes on after B hypotheses have ended, for as long as its heuristic hopes.
What we forbid besides is told to transformers: special words, a word after itself, an end before there is text.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from imagist.captioning.decoding import Decoding, generate
from imagist.captioning.pretrained.presets import PRESETS, Preset
from imagist.captioning.pretrained.words import Beams
from tiny_checkpoints import CAPTIONERS

pytestmark = pytest.mark.torch


class Guard(transformers.LogitsProcessor):
    """No word follows itself, and nothing ends before it says something."""

    def __init__(self, vocabulary, before):
        self.vocabulary, self.before = vocabulary, before

    def __call__(self, input_ids, scores):
        end = self.vocabulary.ends[0]
        silent = self.vocabulary.blank[input_ids[:, self.before :]].all(1)
        scores = scores.clone()
        scores[silent, end] = -torch.inf
        if input_ids.shape[1] > self.before:
            scores[torch.arange(len(scores)), input_ids[:, -1]] = -torch.inf
        return scores


def theirs(captioner, photos, prompt=None, **settings):
    """``[N][n]`` pairs of words and log-probability, by the model's own generate."""
    model, vocabulary, decoding = captioner._checkpoint.model, captioner._vocabulary, captioner.decoding
    tokenizer = captioner._checkpoint.tokenizer
    given = {"pixel_values": captioner._pixels(photos)}
    before = 1
    if prompt:
        given |= prompted(model, tokenizer, prompt, len(photos))
        before = 1 if model.config.model_type == "blip-2" and seq2seq(model) else given["input_ids"].shape[1]
        before -= model.config.model_type == "blip"  # generate takes the last one off
    elif model.config.model_type == "blip-2" and not seq2seq(model):
        before = model.config.num_query_tokens + 1
    if model.config.model_type != "blip":  # which sets them itself
        settings |= {"eos_token_id": vocabulary.ends, "pad_token_id": tokenizer.pad_token_id}
    if "max_length" not in settings:
        settings["max_new_tokens"] = decoding.max_length
    number = len(photos) * decoding.nbest
    with torch.inference_mode():
        out = model.generate(
            **given,
            num_beams=decoding.beam,
            num_return_sequences=decoding.nbest,
            no_repeat_ngram_size=decoding.no_repeat_ngram_size,
            suppress_tokens=vocabulary.suppressed_tokens,
            logits_processor=transformers.LogitsProcessorList([Guard(vocabulary, before)]),
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
            **settings,
        )
    words = [cut(sequence[before:].tolist(), vocabulary.ends[0]) for sequence in out.sequences]
    scores = out.sequences_scores.tolist() if decoding.beam > 1 else [None] * number
    pairs = list(zip(words, scores, strict=True))
    return [pairs[i : i + decoding.nbest] for i in range(0, number, decoding.nbest)]


def seq2seq(model):
    return not model.config.use_decoder_only_language_model


def prompted(model, tokenizer, prompt, number):
    """The prompt as the model card says to give it."""
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if model.config.model_type == "blip":
        ids = tokenizer(prompt)["input_ids"]
    elif model.config.model_type == "git":
        ids = [tokenizer.cls_token_id, *ids]
    else:
        image = [model.config.image_token_index] * model.config.num_query_tokens
        ids = [*image, *(tokenizer(prompt)["input_ids"] if seq2seq(model) else [tokenizer.bos_token_id, *ids])]
    ids = torch.tensor([ids]).repeat(number, 1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def cut(words, end):
    return words[: words.index(end)] if end in words else words


def ours(captioner, photos):
    beams = Beams(captioner._model, captioner._vocabulary, captioner._pixels(photos), captioner.decoding.beam)
    return generate(beams, len(photos), captioner.decoding)


def assert_same(found, expected):
    for sentences, pairs in zip(found, expected, strict=True):
        assert [sentence.words.tolist() for sentence in sentences] == [words for words, _ in pairs]
        for sentence, (_, score) in zip(sentences, pairs, strict=True):
            assert score is None or sentence.logprob == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("name", CAPTIONERS)
def test_greedy_is_greedy(make, some, name):
    captioner = make(name, Decoding(beam=1, max_length=14))
    found = ours(captioner, some)
    assert_same(found, theirs(captioner, some))
    lengths = {len(sentences[0].words) for sentences in found}
    assert len(lengths) > 1  # some end, so that the end is tested too


@pytest.mark.parametrize("beam", [2, 3, 5, 8])
@pytest.mark.parametrize("name", CAPTIONERS)
def test_beam_search_finds_the_same_n_best(make, some, name, beam):
    captioner = make(name, Decoding(beam=beam, nbest=beam, max_length=12, length_penalty=0.0))
    expected = theirs(captioner, some, early_stopping=True, length_penalty=0.0)
    assert_same(ours(captioner, some), expected)


@pytest.mark.parametrize("name", CAPTIONERS)
def test_no_words_in_a_row_come_twice_where_transformers_forbids_it_too(make, some, name):
    captioner = make(name, Decoding(beam=4, nbest=2, max_length=14, length_penalty=0.0, no_repeat_ngram_size=2))
    assert_same(ours(captioner, some), theirs(captioner, some, early_stopping=True, length_penalty=0.0))


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_prompt_is_continued_as_the_model_card_says(make, some, name):
    captioner = make(name, Decoding(beam=3, nbest=3, max_length=10, length_penalty=0.0), prompt="an image of")
    expected = theirs(captioner, some, "an image of", early_stopping=True, length_penalty=0.0)
    assert_same(ours(captioner, some), expected)
    assert [c.text for c in captioner.caption(some)] != [c.text for c in make(name).caption(some)]


@pytest.mark.parametrize("name", CAPTIONERS)
def test_the_lengths_of_a_preset_are_max_length_and_min_length(make, some, name, monkeypatch):
    demo = Preset(beam=3, max_length=14, shortest=9, prompt="an image of", whole=True)
    monkeypatch.setitem(PRESETS, "demo", demo)
    captioner = make(name, suffix="#demo")
    captioner.decoding = replace(captioner.decoding, length_penalty=0.0)
    settings = {
        "max_length": demo.max_length,
        "min_length": demo.shortest,
        "early_stopping": True,
        "length_penalty": 0.0,
    }
    if name == "blip2-opt":  # generate counts the words that stand for the image, too
        settings = {key: value + 5 if "_length" in key else value for key, value in settings.items()}
    found = ours(captioner, some)
    assert_same(found, theirs(captioner, some, demo.prompt, **settings))
    assert min(len(sentences[0].words) for sentences in found) < captioner.decoding.max_length


def read_at_once(model, pixels, words, mask):
    """Logits ``[R, T, V]`` of every next word, from whole sentences and without a cache."""
    kind = model.config.model_type
    if kind == "blip":
        start = torch.full((len(words), 1), model.config.text_config.bos_token_id)
        ids, mask = torch.cat([start, words], 1), torch.cat([torch.ones_like(start), mask], 1)
        return model(pixel_values=pixels, input_ids=ids, attention_mask=mask).logits[:, :-1]
    if kind == "git":
        start = torch.full((len(words), 1), model.config.bos_token_id)
        ids, mask = torch.cat([start, words], 1), torch.cat([torch.ones_like(start), mask], 1)
        return model(pixel_values=pixels, input_ids=ids, attention_mask=mask).logits[:, -words.shape[1] - 1 : -1]
    image = torch.full((len(words), model.config.num_query_tokens), model.config.image_token_index)
    given = torch.cat([image, torch.full((len(words), 1), model.config.text_config.bos_token_id)], 1)
    if seq2seq(model):
        start = torch.full((len(words), 1), model.config.text_config.decoder_start_token_id)
        said = torch.cat([start, words], 1)
        return model(pixel_values=pixels, input_ids=given, decoder_input_ids=said).logits[:, :-1]
    ids, mask = torch.cat([given, words], 1), torch.cat([torch.ones_like(given), mask], 1)
    return model(pixel_values=pixels, input_ids=ids, attention_mask=mask).logits[:, -words.shape[1] - 1 : -1]


@pytest.mark.parametrize("name", CAPTIONERS)
def test_log_probabilities_are_those_of_padded_sentences_read_at_once(make, some, name):
    """Padded is as unpadded, and what the cache of a beam holds is what that beam said."""
    captioner = make(name, Decoding(beam=4, nbest=4, max_length=9, length_penalty=0.7))
    model, vocabulary, pixels = captioner._checkpoint.model, captioner._vocabulary, captioner._pixels(some)
    rows = [(i, s) for i, sentences in enumerate(ours(captioner, some)) for s in sentences]
    said = [[*s.words, vocabulary.ends[0]][: captioner.decoding.max_length] for _, s in rows]
    max_length = max(map(len, said))
    pad = captioner._checkpoint.tokenizer.pad_token_id
    words = torch.tensor([[*line, *[pad] * (max_length - len(line))] for line in said])
    mask = torch.tensor([[1] * len(line) + [0] * (max_length - len(line)) for line in said])
    with torch.inference_mode():
        logits = read_at_once(model, pixels[[i for i, _ in rows]], words, mask)
    each = logits.log_softmax(-1).gather(2, words[..., None])[..., 0] * mask
    np.testing.assert_allclose([s.logprob for _, s in rows], each.sum(1), atol=2e-3)
    assert len({*map(len, said)}) > 1
