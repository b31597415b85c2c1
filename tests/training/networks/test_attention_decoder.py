"""The attention decoder's presets, and its step by the formulas of its source."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from imagist.training.networks.attention import SAT, TUTORIAL, AttentionDecoder  # noqa: E402
from imagist.training.networks.decoder import beams_of  # noqa: E402

pytestmark = pytest.mark.torch

WORDS, CELLS, CHANNELS = 11, 4, 6
SMALL = {"hidden": 8, "embedding": 7, "attention": 5, "dropout": 0.0}


def build(**settings):
    decoder = AttentionDecoder(WORDS, CHANNELS, **{**SMALL, **settings}).eval()
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.5)
    return decoder


def size(decoder, *parts):
    return {part: [*getattr(decoder, part).weight.shape] for part in parts}


def test_the_tutorial_has_its_layers():
    """CNN_Encoder: Dense 256, ReLU. RNN_Decoder: Embedding 256, GRU 512, Dense 512, Dense V; attention of 512."""
    decoder = AttentionDecoder(5001, 2048, **TUTORIAL)
    assert isinstance(decoder.reduced_norm, nn.ReLU)
    assert isinstance(decoder.cell, nn.GRUCell)
    assert (decoder.cell.input_size, decoder.cell.hidden_size) == (256 + 256, 512)
    assert size(decoder, "reduce", "keys", "query", "embedding", "deep", "out") == {
        "reduce": [256, 2048], "keys": [512, 256], "query": [512, 512], "embedding": [5001, 256], "deep": [512, 512],
        "out": [5001, 512],
    }  # fmt: skip
    assert decoder.gate is decoder.start is None


def test_show_attend_and_tell_has_its_layers():
    decoder = AttentionDecoder(100, 512, **SAT)
    assert isinstance(decoder.cell, nn.LSTMCell)
    assert decoder.gate is not None
    assert decoder.start.out_features == 2 * decoder.cell.hidden_size
    assert decoder.deep.in_features == 512 + 512 + 256


def attended(decoder, values, state):
    """Energy of each cell by equation 4, weights by 5, context by 8, each written out."""
    energies = [decoder.energy(torch.tanh(decoder.keys(values[i]) + decoder.query(state))) for i in range(len(values))]
    weights = torch.softmax(torch.cat(energies), 0)
    return sum(w * v for w, v in zip(weights, values, strict=True)), weights


@torch.no_grad()
def test_the_defaults_are_the_formulas_of_show_attend_and_tell():
    decoder, grid = build(), torch.randn(1, CELLS, CHANNELS)
    values = nn.functional.layer_norm(
        decoder.reduce(grid[0]), [8], decoder.reduced_norm.weight, decoder.reduced_norm.bias
    )
    state, cell = torch.tanh(decoder.start(values.mean(0))).split(8)
    logits, maps = decoder(grid, torch.tensor([[[1, 4, 9]]]))
    for t, word in enumerate((1, 4, 9)):
        context, weights = attended(decoder, values, state)
        context = torch.sigmoid(decoder.gate(state)) * context  # beta: section 4.2.1
        vector = decoder.embedding.weight[word]
        state, cell = decoder.cell(torch.cat([vector, context])[None], (state[None], cell[None]))
        state, cell = state[0], cell[0]
        deep = torch.tanh(decoder.deep(torch.cat([state, context, vector])))  # equation 7
        torch.testing.assert_close(logits[0, 0, t], decoder.embedding.weight @ deep + decoder.bias)
        torch.testing.assert_close(maps[0, 0, t], weights)


@torch.no_grad()
def test_the_tutorial_is_what_its_code_does():
    decoder, grid = build(**{**TUTORIAL, **SMALL, "values": 7}), torch.randn(1, CELLS, CHANNELS)
    values, state = torch.relu(decoder.reduce(grid[0])), torch.zeros(8)
    logits, maps = decoder(grid, torch.tensor([[[1, 4, 9]]]))
    for t, word in enumerate((1, 4, 9)):
        context, weights = attended(decoder, values, state)
        state = decoder.cell(torch.cat([decoder.embedding.weight[word], context])[None], state[None])[0]
        torch.testing.assert_close(logits[0, 0, t], decoder.out(decoder.deep(state)) + decoder.bias)
        torch.testing.assert_close(maps[0, 0, t], weights)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("first", ["mean", "zeros"])
@pytest.mark.parametrize(("output", "tied"), [("deep", True), ("state", True), ("deep", False)])
@torch.no_grad()
def test_however_it_is_put_together_all_words_at_once_are_the_steps_in_a_row(cell, first, output, tied):
    decoder = build(cell=cell, first=first, output=output, tied=tied, gated=tied, normalised=not tied, values=6)
    grid, words = torch.randn(2, CELLS, CHANNELS), torch.randint(3, WORDS, (2, 3, 5))
    logits, maps = decoder(grid, words)
    memory, state = decoder.begin(grid)
    assert {*state} == ({"state", "cell"} if cell == "lstm" else {"state"})
    assert any(x.any() for x in state.values()) is (first == "mean")
    state = beams_of(state, 3)
    for t in range(5):
        out, attention, state = decoder.step(words[:, :, t], memory, state)
        torch.testing.assert_close(out, logits[:, :, t])
        torch.testing.assert_close(attention, maps[:, :, t])


@pytest.mark.parametrize("tied", [True, False])
def test_the_output_has_weights_of_its_own_only_when_untied(tied):
    shapes = [tuple(p.shape) for name, p in build(tied=tied).named_parameters() if name != "embedding.weight"]
    assert ((WORDS, 7) in shapes or (WORDS, 8) in shapes) is not tied


def test_attention_follows_what_was_said():
    decoder, grid = build(), torch.randn(1, CELLS, CHANNELS)
    with torch.no_grad():
        one, other = (decoder(grid, torch.tensor([[[1, word, 5]]]))[1][0, 0] for word in (3, 4))
    torch.testing.assert_close(one[:2], other[:2])  # the second look is taken before the word is read
    assert (one[2] - other[2]).abs().max() > 1e-3
