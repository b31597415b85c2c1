"""Hypotheses of `generate` of transformers, against its plain call and against the model without any cache."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.decoding import Decoding
from imagist.captioning.pretrained import generation
from imagist.captioning.pretrained.generation import Generator, Start
from tiny_checkpoints import CAPTIONERS

pytestmark = pytest.mark.torch

OPT = tiny_checkpoints.opt_tokenizer()
DECODINGS = {
    "greedy": Decoding(beam=1, max_length=14),
    "beam": Decoding(beam=4, nbest=4, max_length=9),
    "nucleus": Decoding(beam=3, nbest=3, max_length=9, top_p=0.9, temperature=1.2),
}


@pytest.fixture(params=CAPTIONERS)
def name(request):
    return request.param


def generated(captioner, photos):
    return captioner._generator.generate(captioner._pixels(photos), range(len(photos)))


def seq2seq(model):
    return model.config.model_type == "blip-2" and not model.config.use_decoder_only_language_model


def as_the_model_card(captioner, photos, prompt, **settings):
    """Texts by a plain call of generate with the prompt as the model's processor gives it, one photo at a time."""
    model, tokenizer = captioner._checkpoint.model, captioner._checkpoint.tokenizer
    kind = model.config.model_type
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if kind == "blip":
        ids = tokenizer(prompt)["input_ids"]
    elif kind == "git":
        ids = [tokenizer.cls_token_id, *ids]
        settings |= {"pad_token_id": tokenizer.pad_token_id}
    else:
        image = [model.config.image_token_index] * model.config.num_query_tokens
        ids = [*image, *(tokenizer(prompt)["input_ids"] if seq2seq(model) else [tokenizer.bos_token_id, *ids])]
    ids = torch.tensor([ids])
    before = 1 if seq2seq(model) else ids.shape[1] - (kind == "blip")  # whose generate drops the last token
    suppressed = captioner._generator._settings["suppress_tokens"]
    texts = []
    for pixels in captioner._pixels(photos):
        given = {"pixel_values": pixels[None], "input_ids": ids.clone(), "attention_mask": torch.ones_like(ids)}
        with torch.inference_mode():
            tokens = model.generate(**given, suppress_tokens=suppressed, do_sample=False, **settings)[0, before:]
        texts.append(" ".join(tokenizer.decode(tokens, skip_special_tokens=True).split()))
    return texts


def test_the_standalone_demo_is_the_call_of_the_standalone_demo(make, some):
    """``max_length`` and ``min_length`` count the start and the prompt."""
    captioner = make("blip", suffix="#standalone")
    expected = as_the_model_card(captioner, some, "a picture of", num_beams=3, max_length=20, min_length=5)
    assert [caption.text for caption in captioner.caption(some)] == expected


def test_clip_interrogator_is_the_call_of_clip_interrogator(make, name, some):
    captioner = make(name, suffix="#clip-interrogator", prompt="two")
    expected = as_the_model_card(captioner, some, "two", max_new_tokens=32, min_new_tokens=1)
    assert [caption.text for caption in captioner.caption(some)] == expected


def test_a_prompt_is_continued_as_the_model_card_says(make, name, some):
    captioner = make(name, Decoding(beam=3, max_length=10, length_penalty=0.4), prompt="a picture of")
    settings = {"num_beams": 3, "length_penalty": 0.4, "early_stopping": True, "min_new_tokens": 1}
    expected = as_the_model_card(captioner, some, "a picture of", max_new_tokens=10, **settings)
    found = [caption.text for caption in captioner.caption(some)]
    assert found == expected
    assert found != [caption.text for caption in make(name).caption(some)]


def read_at_once(model, pixels, tokens, mask):
    """Logits ``[R, T, V]`` of every next token, from whole captions and without a cache."""
    kind = model.config.model_type
    if kind == "blip":
        start = torch.full((len(tokens), 1), model.config.text_config.bos_token_id)
        ids, mask = torch.cat([start, tokens], 1), torch.cat([torch.ones_like(start), mask], 1)
        return model(pixel_values=pixels, input_ids=ids, attention_mask=mask).logits[:, :-1]
    if kind == "git":
        start = torch.full((len(tokens), 1), model.config.bos_token_id)
        ids, mask = torch.cat([start, tokens], 1), torch.cat([torch.ones_like(start), mask], 1)
        return model(pixel_values=pixels, input_ids=ids, attention_mask=mask).logits[:, -tokens.shape[1] - 1 : -1]
    image = torch.full((len(tokens), model.config.num_query_tokens), model.config.image_token_index)
    given = torch.cat([image, torch.full((len(tokens), 1), model.config.text_config.bos_token_id)], 1)
    if seq2seq(model):
        start = torch.full((len(tokens), 1), model.config.text_config.decoder_start_token_id)
        return model(
            pixel_values=pixels, input_ids=given, decoder_input_ids=torch.cat([start, tokens], 1)
        ).logits[:, :-1]  # fmt: skip
    ids, mask = torch.cat([given, tokens], 1), torch.cat([torch.ones_like(given), mask], 1)
    return model(pixel_values=pixels, input_ids=ids, attention_mask=mask).logits[:, -tokens.shape[1] - 1 : -1]


@pytest.mark.parametrize("search", DECODINGS)
def test_log_probabilities_are_those_of_captions_read_at_once(make, name, some, search):
    captioner = make(name, DECODINGS[search])
    model, end = captioner._checkpoint.model, captioner._generator._start.ends[0]
    rows = [(i, one) for i, hypotheses in enumerate(generated(captioner, some)) for one in hypotheses]
    with_end = [[*one.tokens, end][: captioner.decoding.max_length] for _, one in rows]
    width = max(map(len, with_end))
    pad = captioner._checkpoint.tokenizer.pad_token_id
    tokens = torch.tensor([[*line, *[pad] * (width - len(line))] for line in with_end])
    mask = torch.tensor([[1] * len(line) + [0] * (width - len(line)) for line in with_end])
    with torch.inference_mode():
        logits = read_at_once(model, captioner._pixels(some)[[i for i, _ in rows]], tokens, mask)
    each = logits.log_softmax(-1).gather(2, tokens[..., None])[..., 0] * mask
    np.testing.assert_allclose([one.logprob for _, one in rows], each.sum(1), atol=2e-3)
    assert len({*map(len, with_end)}) > 1
    lengths = np.array([*map(len, with_end)])
    ranks = each.sum(1).numpy() / lengths**captioner.decoding.length_penalty
    np.testing.assert_allclose([one.rank for _, one in rows], ranks, atol=2e-3)


def test_hypotheses_are_sorted_by_rank_and_all_different(make, name, some):
    for hypotheses in generated(make(name, DECODINGS["beam"]), some):
        ranks = [one.rank for one in hypotheses]
        assert ranks == sorted(ranks, reverse=True)
        assert len({one.tokens.tobytes() for one in hypotheses}) == len(hypotheses) == 4


def test_how_many_are_generated_at_a_time_does_not_matter(make, name, some, monkeypatch):
    captioner = make(name, DECODINGS["beam"])
    together = captioner.caption(some)
    monkeypatch.setattr(generation, "ROWS", 12)
    for one, other in zip(captioner.caption(some), together, strict=True):
        assert [h.text for h in one.nbest] == [h.text for h in other.nbest]
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)


def test_no_n_gram_comes_twice_where_that_is_forbidden(make, name, some):
    captioner = make(name, Decoding(beam=4, max_length=14, no_repeat_ngram_size=2))
    for hypotheses in generated(captioner, some):
        for one in hypotheses:
            pairs = [*zip(one.tokens[:-1].tolist(), one.tokens[1:].tolist(), strict=True)]
            assert len(pairs) == len({*pairs})


def test_special_tokens_and_those_past_the_tokenizer_are_not_generated(make, name, some):
    captioner = make(name, DECODINGS["nucleus"])
    tokenizer = captioner._checkpoint.tokenizer
    found = {int(t) for hypotheses in generated(captioner, some) for one in hypotheses for t in one.tokens}
    assert found
    assert not found & {*tokenizer.all_special_ids}
    assert max(found) < len(tokenizer)


def test_drawing_leaves_the_random_numbers_of_torch_as_they_were(make, some):
    before = torch.get_rng_state()
    make("git", DECODINGS["nucleus"]).caption(some[:2])
    assert torch.equal(torch.get_rng_state(), before)


class Fixed:
    """A checkpoint whose model's generate returns fixed sequences."""

    tokenizer = OPT

    def __init__(self, sequences, **out):
        self.model, self.out = self, type("Out", (), {"sequences": torch.tensor(sequences), **out})
        self.device = torch.device("cpu")

    def generate(self, **settings):
        self.settings = settings
        return self.out


def test_each_of_several_ends_ends_a_hypothesis():
    logits = [torch.zeros(2, 50)] * 4
    checkpoint = Fixed([[2, 7, 8, 40, 1], [2, 7, 41, 1, 1]], logits=logits)
    generator = Generator(checkpoint, Start([2], 1, 1, [40, 41], 50), Decoding(beam=1), early_stopping=True)
    (first,), (second,) = generator.generate(torch.zeros(2, 3, 4, 4), [0, 0])
    assert (first.tokens.tolist(), second.tokens.tolist()) == ([7, 8], [7])
    assert (first.logprob, second.logprob) == pytest.approx((-3 * np.log(50), -2 * np.log(50)))


def test_places_that_no_hypothesis_filled_are_left_out():
    checkpoint = Fixed([[2, 7, 40], [2, 1, 1]], sequences_scores=torch.tensor([-1.0, -1e9]))
    generator = Generator(checkpoint, Start([2], 1, 1, [40], 50), Decoding(beam=2), early_stopping=True)
    ((only,),) = generator.generate(torch.zeros(1, 3, 4, 4), [0])
    assert only.tokens.tolist() == [7]
    assert (only.rank, only.logprob) == pytest.approx((-1.0, -(2**0.7)))
