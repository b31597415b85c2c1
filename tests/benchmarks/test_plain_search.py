"""The tutorial's beam search says what imagist.captioning.decoding says, on models that remember all that was said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from imagist.captioning.decoding import END, START, Decoding, generate
from imagist.training.captioners.evaluator import TorchBeams
from imagist.training.networks.attention import AttentionDecoder
from imagist.training.networks.transformer import TransformerDecoder
from plain_search import Rules, grid_read_once, plain_search

pytestmark = pytest.mark.torch
UNKNOWN = 2
STATES = 7


class Remembering(torch.nn.Module):
    """The next word depends on the word before and on a number that all words before have turned; photos differ."""

    def __init__(self, seed, words):
        super().__init__()
        self.words = words
        made = torch.Generator().manual_seed(seed)
        self.table = 2 * torch.randn(STATES, words, words, generator=made)

    def begin(self, grid):
        return {"photo": grid[:, 0, 0].long()}, {"number": grid[:, 0, 0].long() % STATES}

    def step(self, word, memory, state):
        number = (3 * state["number"] + word + memory["photo"][:, None]) % STATES
        return self.table[number, word].clone(), None, {"number": number}


def rules(chosen, together=True):
    return Rules(START, END, (START, UNKNOWN), chosen.beam, chosen.max_length, chosen.length_penalty, together)


def ours(decoder, grid, chosen):
    vocabulary = SimpleNamespace(suppressed_tokens=(START, UNKNOWN), end=END, starts={"en": START})
    beams = TorchBeams(decoder, grid, chosen.beam, vocabulary)
    return [best.words.tolist() for best, *_ in generate(beams, len(grid), chosen)]


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32 - 1),
    more=st.integers(0, 7),
    beam=st.integers(1, 6),
    max_length=st.integers(1, 9),
    power=st.sampled_from([0.0, 0.7, 1.0, 1.5]),
    together=st.booleans(),
)
def test_both_searches_give_the_same_captions(seed, more, beam, max_length, power, together):
    words = beam + 3 + more  # with fewer, ours would follow banned words, which are only very improbable
    decoder, chosen = Remembering(seed, words), Decoding(beam, max_length=max_length, length_penalty=power)
    grid = torch.arange(4.0)[:, None, None]
    expected = ours(decoder, grid, chosen)
    assert [plain_search(decoder, one[None], rules(chosen, together)) for one in grid] == expected
    assert all(1 <= len(sentence) <= max_length for sentence in expected)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_both_searches_give_the_same_captions_with_a_real_decoder(cell, together):
    decoder = AttentionDecoder(30, 6, cell=cell, hidden_size=16, embedding_size=12, attention_size=8).eval()
    grid = torch.randn(9, 4, 6) * 3
    chosen = Decoding(3, max_length=12)
    found = [plain_search(decoder, one[None], rules(chosen, together)) for one in grid]
    assert found == ours(decoder, grid, chosen)
    assert len({tuple(sentence) for sentence in found}) > 1


def test_decoding_without_a_cache_gives_the_same_caption():
    torch.manual_seed(0)
    decoder = TransformerDecoder(30, 6, cells=4, width=24, layers=2, heads=3, max_length=12).eval()
    torch.nn.init.normal_(decoder.embedding.weight)
    grid, chosen = torch.randn(6, 4, 6) * 3, Decoding(3, max_length=12)
    anew = replace(rules(chosen), cached=False)
    found = [plain_search(decoder, one[None], anew) for one in grid]
    assert found == ours(decoder, grid, chosen)
    assert len({tuple(sentence) for sentence in found}) > 1
    with grid_read_once(decoder):
        assert plain_search(decoder, grid[:1], anew) == found[0]


def test_the_grid_is_read_once_within_and_each_time_without(monkeypatch):
    decoder = TransformerDecoder(30, 6, cells=4, width=24, layers=2, heads=3, max_length=12).eval()
    calls, reduce = [], decoder.reduce.forward
    monkeypatch.setattr(decoder.reduce, "forward", lambda grid: calls.append(1) or reduce(grid))
    grid, words = torch.randn(1, 4, 6), torch.ones(1, 1, 1, dtype=torch.int64)
    for expected in (1, 2):
        with grid_read_once(decoder):
            decoder.hidden_states(grid, words)
            decoder.hidden_states(grid, words)
        assert len(calls) == expected
    decoder.hidden_states(grid, words)
    decoder.hidden_states(grid, words)
    assert len(calls) == 4


def test_a_wrong_rule_changes_the_captions():
    decoder, grid = Remembering(3, 9), torch.arange(20.0)[:, None, None]
    chosen = Decoding(3, max_length=8, length_penalty=1.0)
    other = rules(Decoding(3, max_length=8, length_penalty=0.0))
    assert [plain_search(decoder, one[None], other) for one in grid] != ours(decoder, grid, chosen)
