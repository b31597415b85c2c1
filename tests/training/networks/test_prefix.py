"""A GPT-2 that goes on from the grid, its blocks run as transformers runs them.

What every decoder must do is in `test_decoders_conform`.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from decoder_checks import CAPTIONS, by_steps, learn, padded, said, sentences

from imagist.captioning.decoding import START
from imagist.errors import UsageError
from imagist.training.captioners.gpt2 import small_gpt2
from imagist.training.networks.prefix import PrefixDecoder

pytestmark = pytest.mark.torch

WORDS, CELLS, CHANNELS, PREFIX = 19, 9, 12, 5


def gpt2(**changed):
    torch.manual_seed(0)
    model = small_gpt2(WORDS, width=24, layers=2, heads=3, positions=PREFIX + 20)
    for name, value in changed.items():
        setattr(model.config, name, value)
    if changed:
        model = type(model)(model.config)
    return model


def build(mapping="queries", model=None, **settings):
    """In eval mode, its weights so far apart that words and photos tell."""
    model = gpt2() if model is None else model
    settings = {"prefix_length": PREFIX, "cells": CELLS, "max_length": 20} | settings
    decoder = PrefixDecoder(model, CHANNELS, mapping=mapping, **settings).eval()
    for name, parameter in decoder.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
        elif name.startswith("mapped_norm"):
            torch.nn.init.ones_(parameter)
    return decoder


@pytest.mark.parametrize(
    "changed", [{}, {"scale_attn_by_inverse_layer_idx": True}, {"scale_attn_weights": False}, {"n_inner": 40}]
)
@torch.no_grad()
def test_it_says_what_transformers_says_after_prefix_and_words(changed):
    model = gpt2(**changed)
    decoder, grid, words = build(model=model), torch.randn(2, CELLS, CHANNELS), sentences(2, 3, 6, WORDS)
    prefix = decoder.mapped_norm(decoder.mapping(grid))[:, None].expand(-1, 3, -1, -1)
    together = torch.cat([prefix, model.transformer.wte(words[:, :, 1:])], 2)
    expected = model(inputs_embeds=together.flatten(0, 1)).logits[:, PREFIX - 1 :].unflatten(0, (2, 3))
    torch.testing.assert_close(decoder(grid, words)[0], expected, atol=1e-5, rtol=0)


def test_the_prefix_is_kept_once_a_photo_and_what_grows_grows():
    decoder = build()
    memory, state = decoder.begin(torch.randn(2, CELLS, CHANNELS))
    assert {name: tuple(x.shape) for name, x in memory.items()} == {"opening": (2, 24)} | {
        f"prefix_{part}.{i}": (2, 3, PREFIX - 2, 8) for part in ("keys", "values") for i in (0, 1)
    }
    state = {name: x[:, None].expand(-1, 4, *x.shape[1:]) for name, x in state.items()}
    for t in (1, 2, 3):
        assert {name: tuple(x.shape) for name, x in state.items()} == dict.fromkeys(decoder.growing, (2, 4, 3, t, 8))
        state = decoder.step(torch.full((2, 4), 5), memory, state)[2]


def test_each_language_begins_with_a_word_of_its_own():
    decoder, grid = build(starts=(START, 5)), torch.randn(1, CELLS, CHANNELS)
    english, german = (decoder(grid, sentences(1, 1, 1, WORDS, start=start))[0] for start in (START, 5))
    assert (english - german).abs().max() > 1e-2
    assert (decoder.start, decoder.starts, decoder.suppressed_tokens) == (START, (START, 5), (START, 5))
    words = sentences(1, 2, 4, WORDS, start=5)
    torch.testing.assert_close(by_steps(decoder, grid, words), decoder(grid, words)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_frozen_language_model_learns_nothing(frozen):
    decoder = build(frozen=frozen, dropout=0.0).train()
    assert decoder.language_model.training is not frozen  # nor does it drop anything
    decoder(torch.randn(2, CELLS, CHANNELS), sentences(2, 3, 5, WORDS))[0].square().mean().backward()
    told = {name for name, p in decoder.named_parameters() if p.grad is not None and p.grad.any()}
    mapping = {name for name, _ in decoder.named_parameters() if not name.startswith("language_model")}
    assert mapping <= told
    assert (told == mapping) is frozen
    decoder.eval()
    assert not decoder.language_model.training


@pytest.mark.parametrize("mapping", ["queries", "mlp"])
def test_it_learns_captions_by_heart_and_where_they_end(mapping):
    model = gpt2(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    decoder = PrefixDecoder(
        model, CHANNELS, cells=CELLS, prefix_length=PREFIX, mapping=mapping, max_length=20, dropout=0.0
    )
    grid = torch.randn(4, CELLS, CHANNELS)
    assert learn(decoder, grid, padded(CAPTIONS)) < 0.01
    assert said(decoder, grid) == CAPTIONS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prefix_length": 2}, "prefix_length: must be 3 or more, not 2"),
        ({"mapping": "linear"}, "linear: no such mapping .one of queries, mlp"),
        ({"max_length": 40}, r"25 positions, too few for 5 \+ 40 tokens"),
    ],
)
def test_a_setting_out_of_its_range_is_named(settings, told):
    with pytest.raises(UsageError, match=told):
        PrefixDecoder(gpt2(), CHANNELS, **{"prefix_length": PREFIX, "max_length": 20} | settings)


def test_a_language_model_of_another_kind_is_refused():
    import transformers

    small = {"hidden_size": 8, "ffn_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "word_embed_proj_dim": 8}
    other = transformers.OPTForCausalLM(transformers.OPTConfig(vocab_size=9, **small))
    with pytest.raises(UsageError, match="not opt"):
        PrefixDecoder(other, CHANNELS)
    with pytest.raises(UsageError, match="lacks a start or an end"):
        PrefixDecoder(gpt2(eos_token_id=None), CHANNELS, prefix_length=PREFIX, max_length=20)
