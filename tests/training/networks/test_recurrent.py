"""An LSTM that is told of the image first, or never. What every decoder must do is in `test_decoders_conform`."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from decoder_checks import CAPTIONS, by_steps, learn, padded, said, sentences

from imagist.training.networks.recurrent import RecurrentDecoder

pytestmark = pytest.mark.torch

WORDS, CELLS, CHANNELS = 19, 9, 12
VARIANTS = [(merge, tied) for merge in (False, True) for tied in (False, True)]


def build(merge=False, tied=True, **settings):
    torch.manual_seed(0)
    settings = {"hidden_size": 16, "embedding_size": 10, "dropout": 0.0} | settings
    decoder = RecurrentDecoder(WORDS, CHANNELS, merge=merge, tie_weights=tied, **settings).eval()
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # so that words and photos tell
    return decoder


@pytest.mark.parametrize(("merge", "tied"), VARIANTS)
@pytest.mark.parametrize(("n", "b", "t"), [(1, 1, 1), (2, 3, 7), (5, 1, 4), (3, 4, 12)])
def test_teacher_forcing_is_the_steps_in_a_row(merge, tied, n, b, t):
    decoder, grid, words = build(merge, tied), torch.randn(n, CELLS, CHANNELS), sentences(n, b, t, WORDS)
    logits, attention = decoder(grid, words)
    assert attention is None
    assert logits.shape == (n, b, t, WORDS)
    torch.testing.assert_close(by_steps(decoder, grid, words), logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("merge", [False, True])
def test_the_steps_are_those_of_nn_lstm(merge):
    decoder, grid, words = build(merge), torch.randn(2, CELLS, CHANNELS), sentences(2, 1, 5, WORDS)
    image = decoder.image(grid.mean(1))
    vectors = decoder.embedding(words[:, 0])
    if merge:
        states = decoder.lstm(vectors)[0]
        states = torch.cat([states, torch.tanh(image)[:, None].expand(-1, 5, -1)], -1)
    else:  # the image is the first thing read, from nothing
        states = decoder.lstm(torch.cat([image[:, None], vectors], 1))[0][:, 1:]
    expected = torch.tanh(decoder.deep(states)) @ decoder.embedding.weight.T + decoder.bias
    torch.testing.assert_close(by_steps(decoder, grid, words)[:, 0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("merge", [False, True])
def test_the_lstm_hears_of_the_image_only_when_it_is_injected(merge):
    decoder, words = build(merge), torch.full((2, 1), 5)
    memory, state = decoder.begin(torch.randn(2, CELLS, CHANNELS))
    _, _, new = decoder.step(words, memory, {name: x[:, None] for name, x in state.items()})
    assert torch.equal(new["state"][0], new["state"][1]) is merge
    assert set(memory) == ({"image"} if merge else set())


@pytest.mark.parametrize(("merge", "tied"), VARIANTS)
def test_the_output_has_weights_of_its_own_only_when_untied(merge, tied):
    decoder = build(merge, tied)
    assert ("out.weight" in dict(decoder.named_parameters())) is not tied
    logits = decoder.train()(torch.randn(2, CELLS, CHANNELS), sentences(2, 2, 4, WORDS))[0]
    logits.square().mean().backward()
    assert [name for name, p in decoder.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("merge", [False, True])
def test_it_learns_captions_by_heart_and_where_they_end(merge):
    torch.manual_seed(0)
    decoder = RecurrentDecoder(WORDS, CHANNELS, merge=merge, hidden_size=32, embedding_size=24, dropout=0.0)
    grid = torch.randn(4, CELLS, CHANNELS)
    assert learn(decoder, grid, padded(CAPTIONS)) < 0.01
    assert said(decoder, grid) == CAPTIONS
