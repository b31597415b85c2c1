"""The tutorial's loop: the same captioner as the preset, trained on the same sentences."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F

from imagist.training.networks.attention import TUTORIAL, AttentionDecoder
from plain_training import PlainDecoder, Sentences, train_step

pytestmark = pytest.mark.torch
WORDS, CELLS, CHANNELS = 11, 4, 6


def sentences(number=9, length=6):
    rng = np.random.default_rng(1)
    words = rng.integers(3, WORDS, (number, length + 2))
    words[:, 0] = 1
    for row, end in enumerate(rng.integers(2, length + 1, number)):
        words[row, end:] = 0
    grids = rng.normal(size=(3, CELLS, CHANNELS)).astype(np.float16)
    return Sentences(grids, np.arange(number) % 3, words, 0)


def as_preset(plain):
    """The preset with the weights of the plain decoder, whose two further biases are made nought."""
    preset = AttentionDecoder(WORDS, CHANNELS, **TUTORIAL, dropout=0.0)
    with torch.no_grad():
        plain.query.bias.zero_()
        plain.energy.bias.zero_()
        for name in ("reduce", "keys", "cell", "embedding", "deep"):
            getattr(preset, name).load_state_dict(getattr(plain, name).state_dict())
        context, vector = plain.cell.weight_ih.chunk(2, 1)
        preset.cell.weight_ih.copy_(torch.cat([vector, context], 1))  # the other way round
        for name in ("query", "energy", "out"):
            getattr(preset, name).weight.copy_(getattr(plain, name).weight)
        preset.bias.copy_(plain.out.bias)
    return preset


@pytest.mark.parametrize("keys_once", [True, False])
def test_it_is_the_captioner_of_the_preset(keys_once):
    plain = PlainDecoder(WORDS, CHANNELS, keys_once=keys_once)
    preset = as_preset(plain)
    grid, words = torch.randn(2, CELLS, CHANNELS), torch.randint(3, WORDS, (2, 3, 5))
    (memory, state), said = plain.begin(grid), []
    state = {name: x[:, None].expand(-1, 3, -1) for name, x in state.items()}
    for t in range(words.shape[2]):
        logits, _, state = plain.step(words[:, :, t], memory, state)
        said.append(logits)
    torch.testing.assert_close(torch.stack(said, 2), preset(grid, words)[0])


def test_an_epoch_has_every_sentence_once_cut_to_the_longest_of_its_batch():
    whole = sentences(number=150)
    batches = list(whole.batches(5))
    assert [len(words) for _, words in batches] == [64, 64, 22]
    found = sorted(tuple(row[row != 0].tolist()) for _, words in batches for row in words)
    assert found == sorted(tuple(row[row != 0].tolist()) for row in whole.words)
    for grids, words in batches:
        assert grids.dtype == torch.float32
        assert words.shape[1] == int((words != 0).sum(1).max()) + 1
    first = [words.tolist() for _, words in whole.batches(5)]
    assert first == [words.tolist() for _, words in batches] != [words.tolist() for _, words in whole.batches(6)]


def test_a_photo_is_paired_with_its_own_sentences():
    whole = sentences()
    photo_of = {tuple(row): photo for row, photo in zip(whole.words.tolist(), whole.photos, strict=True)}
    for grids, words in whole.batches(0):
        for grid, row in zip(grids, words, strict=True):
            full = tuple(row.tolist() + [0] * (whole.words.shape[1] - len(row)))
            np.testing.assert_array_equal(grid.numpy(), whole.grids[photo_of[full]].astype(np.float32))


def test_the_loss_is_that_of_the_words_up_to_the_first_end():
    decoder = PlainDecoder(WORDS, CHANNELS)
    preset = as_preset(decoder)
    ((grids, words),) = sentences().batches(0)
    logits = preset(grids, words[:, None, :-1])[0][:, 0]
    goal = words[:, 1:]
    spoken = (goal == 0).cumsum(1) <= (goal == 0).long()
    expected = F.cross_entropy(logits[spoken], goal[spoken])
    still = torch.optim.SGD(decoder.parameters(), lr=0.0)
    assert train_step(decoder, still, grids, words, 0) == pytest.approx(expected.item(), rel=1e-5)


def test_it_learns():
    decoder = PlainDecoder(WORDS, CHANNELS)
    optimiser = torch.optim.Adam(decoder.parameters())
    whole = sentences()
    losses = [train_step(decoder, optimiser, *batch, 0) for epoch in range(25) for batch in whole.batches(epoch)]
    assert losses[-1] < 0.5 * losses[0]
