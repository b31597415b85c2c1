"""The attention decoder's presets, and its step by the formulas of its source."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from imagist.training.networks import additive
from imagist.training.networks.attention import SAT, TUTORIAL, AttentionDecoder
from imagist.training.networks.decoder import beams_of

pytestmark = pytest.mark.torch

WORDS, CELLS, CHANNELS = 11, 4, 6
SMALL = {"hidden_size": 8, "embedding_size": 7, "attention_size": 5, "dropout": 0.0}


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
    decoder, grid = build(**{**TUTORIAL, **SMALL, "value_size": 7}), torch.randn(1, CELLS, CHANNELS)
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
    decoder = build(
        cell=cell, initial_state=first, output=output, tie_weights=tied, gated=tied, layer_norm=not tied, value_size=6
    )
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
    shapes = [tuple(p.shape) for name, p in build(tie_weights=tied).named_parameters() if name != "embedding.weight"]
    assert ((WORDS, 7) in shapes or (WORDS, 8) in shapes) is not tied


def test_attention_follows_what_was_said():
    decoder, grid = build(), torch.randn(1, CELLS, CHANNELS)
    with torch.no_grad():
        one, other = (decoder(grid, torch.tensor([[[1, word, 5]]]))[1][0, 0] for word in (3, 4))
    torch.testing.assert_close(one[:2], other[:2])  # the second look is taken before the word is read
    assert (one[2] - other[2]).abs().max() > 1e-3


LENGTHS = torch.tensor([[6, 2], [0, 3], [1, 5]])
KINDS = {
    "sat": {},
    "tutorial": {**TUTORIAL, **SMALL, "value_size": 7},
    "gated gru": {"cell": "gru"},
    "plain lstm": {"gated": False, "initial_state": "zeros"},
}


def forced(decoder, grid, words, where):
    """Teacher forcing word by word as `step` does it, each sentence to its end whatever comes after."""
    memory, first = decoder.begin(grid)
    state, logits, maps = beams_of(first, words.shape[1]), [], []
    for t in range(words.shape[2]):
        out, attention, state = decoder.step(words[:, :, t], memory, state)
        logits.append(out)
        maps.append(attention)
    return torch.stack(logits, 2)[where], torch.stack(maps, 2)


def taught(say, decoder, grid, words, where, goal):
    """Loss with the penalty on attention, and its gradients."""
    decoder.zero_grad()
    logits, maps = say(grid, words, where)
    loss = nn.functional.cross_entropy(logits, goal[where], label_smoothing=0.1)
    loss = loss + ((maps * where[..., None]).sum(2) - 0.5).square().sum()
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in decoder.named_parameters()}


@pytest.fixture(params=KINDS)
def lesson(request):
    """A decoder without dropout, photos and sentences of several lengths, one of none; all in float64."""
    torch.manual_seed(0)
    decoder = build(**KINDS[request.param]).double().train()
    words, goal = (torch.randint(3, WORDS, (3, 2, 6)) for _ in range(2))
    return decoder, torch.randn(3, CELLS, CHANNELS).double(), words, torch.arange(6) < LENGTHS[..., None], goal


def check(found, expected, **within):
    torch.testing.assert_close(found[0], expected[0], **within)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        assert gradient.any(), name
        torch.testing.assert_close(found[1][name], gradient, msg=lambda text, name=name: f"{name}: {text}", **within)


def test_it_learns_what_the_steps_in_a_row_would_teach(lesson):
    """Autograd through `step` knows nothing of what is dropped, computed again or added up at the end."""
    decoder = lesson[0]
    expected = taught(lambda *given: forced(decoder, *given), *lesson)
    check(taught(decoder, *lesson), expected, atol=1e-10, rtol=1e-8)


def test_it_learns_the_same_with_what_fills_up_the_sentences(lesson):
    decoder = lesson[0]

    def unpacked(grid, words, where):
        logits, maps = decoder(grid, words)
        return logits[where], maps

    check(taught(decoder, *lesson), taught(unpacked, *lesson), atol=1e-10, rtol=1e-8)


def test_how_many_rows_fit_the_cache_changes_nothing(lesson, monkeypatch):
    expected = taught(lesson[0], *lesson)
    for rows in (1, 2, 5):
        monkeypatch.setattr(additive, "IN_CACHE", rows * CELLS * 5)
        check(taught(lesson[0], *lesson), expected, atol=1e-10, rtol=1e-8)


def test_in_bfloat16_it_learns_nearly_the_same(lesson):
    decoder, grid, *rest = lesson
    decoder, grid = decoder.float(), grid.float()
    expected = taught(decoder, decoder, grid, *rest)
    with torch.autocast("cpu", torch.bfloat16):
        found = taught(decoder, decoder, grid, *rest)
    torch.testing.assert_close(found[0], expected[0], atol=0, rtol=0.02)
    for name, gradient in expected[1].items():
        near = torch.nn.functional.cosine_similarity(found[1][name].flatten(), gradient.flatten(), 0)
        assert near > 0.98, name


@torch.no_grad()
def test_what_comes_after_the_end_is_not_even_read(lesson):
    decoder, grid, words, where, _ = lesson
    hidden, maps = decoder.hidden_states(grid, words, where)
    again = decoder.hidden_states(grid, words.masked_fill(~where, 10**6), where)  # no such word: reading it would fail
    torch.testing.assert_close(again, (hidden, maps))
    assert not hidden[~where].any()
    assert not maps[~where].any()
    torch.testing.assert_close(maps[where].sum(-1), torch.ones(int(where.sum())).double())


def test_a_batch_in_which_no_word_counts_teaches_nothing(lesson):
    decoder, grid, words, where, _ = lesson
    logits, maps = decoder(grid, words, torch.zeros_like(where))
    assert logits.shape == (0, WORDS)
    (logits.sum() + maps.sum()).backward()
    assert not any(p.grad.any() for p in decoder.parameters() if p.grad is not None)
