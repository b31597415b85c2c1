"""Which photos and which sentences a step takes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from imagist.captioning.decoding import END, START
from imagist.training.captioners.corpus import Corpus, batch_images, sample_batch, until_end

pytestmark = pytest.mark.torch


class OfPhotos:
    """Features that say which photos they are of."""

    def __init__(self, number, offset=0):
        self.number, self.offset = number, offset

    def __len__(self):
        return self.number

    def some(self, photos, rng):
        return torch.from_numpy(photos + self.offset).float()[:, None]

    def whole(self, start, end):
        return torch.arange(start, end).float()[:, None]


def corpus(number, *said, offset=0):
    return Corpus(OfPhotos(number, offset), [[("en", text) for text in said]] * number)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([5, 6, END, END], [1, 1, 1, 0]),
        ([END, 5, END, 6], [1, 0, 0, 0]),
        ([5, 6, 7, 8], [1, 1, 1, 1]),
        ([5, 6, 7, END], [1, 1, 1, 1]),
    ],
)
def test_until_the_first_end(words, expected):
    assert until_end(torch.tensor(words), END).int().tolist() == expected
    assert until_end(torch.tensor([[words]]), END).shape == (1, 1, 4)
    assert until_end(torch.tensor(words) + 9, END + 9).int().tolist() == expected  # whatever the end's number


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.integers(0, 3))
def test_no_photo_comes_twice_in_an_epoch(photos, number, epoch, seed):
    steps = max(1, photos // number)
    taken = [batch_images(corpus(photos), epoch * steps + i, number, seed) for i in range(steps)]
    assert all(len(some) == number for some in taken)
    assert all(0 <= some.min() <= some.max() < photos for some in taken)
    if number <= photos:  # more than there are can only be drawn with repeats
        counts = Counter(np.concatenate(taken).tolist())
        assert len(counts) == steps * number
        assert max(counts.values()) == 1


@pytest.mark.parametrize("number", [1, 3, 4, 12])
def test_every_photo_comes_once_an_epoch(number):
    for epoch in range(3):
        steps = range(epoch * 12 // number, (epoch + 1) * 12 // number)
        taken = np.concatenate([batch_images(corpus(12), step, number, 0) for step in steps])
        assert sorted(taken.tolist()) == list(range(12))


def test_each_epoch_and_each_seed_has_an_order_of_its_own_that_repeats():
    def order(epoch, seed):
        return np.concatenate([batch_images(corpus(20), step, 5, seed) for step in range(4 * epoch, 4 * epoch + 4)])

    orders = [tuple(order(epoch, seed)) for epoch in range(3) for seed in range(3)]
    assert len({*orders}) == 9
    assert tuple(order(1, 2)) == orders[5]


def test_more_photos_than_there_are_differ_by_step():
    taken = [tuple(batch_images(corpus(3), step, 8, 0)) for step in range(4)]
    assert len({*taken}) == 4
    assert tuple(batch_images(corpus(3), 2, 8, 0)) == taken[2]


def test_sentences_are_drawn_without_repeats_as_long_as_there_are_enough():
    said, rng = corpus(1, "one", "two", "three", "four"), np.random.default_rng(0)
    for number in range(1, 5):
        drawn = said.sample(0, number, rng)
        assert len({*drawn}) == number
        assert {*drawn} <= {("en", text) for text in ("one", "two", "three", "four")}
    counts = Counter(said.sample(0, 10, rng))
    assert sorted(counts.values()) == [2, 2, 3, 3]  # no third one of any before a second one of all
    assert len({tuple(said.sample(0, 4, rng)) for _ in range(50)}) > 5


def test_labels_draw_their_own_sentences(tiny):
    drawn = tiny.corpora[2].sample(0, 5, np.random.default_rng(0))
    assert [language for language, _ in drawn] == ["en"] * 5
    assert all("banana" in text for _, text in drawn)


def test_references_are_those_of_one_language():
    mixed = Corpus(OfPhotos(2), [[("en", "a dog"), ("de", "ein hund"), ("en", "one dog")], [("en", "a cat")]])
    assert mixed.references("en") == [["a dog", "one dog"], ["a cat"]]
    assert mixed.references("de") == [["ein hund"], []]


def test_a_batch_holds_photos_of_every_set(tiny):
    given_, words = sample_batch(tiny.corpora, (4, 2, 2), 3, tiny.vocabulary, tiny.max_length, 0, 0)
    assert given_.shape == (8, 4, 6)
    assert given_.dtype == torch.float32
    assert words.shape[:2] == (8, 3)
    assert words.dtype == torch.int64
    assert (words[:, :, 0] == START).all()


def test_a_batch_repeats_for_its_step_and_differs_by_step_and_seed(tiny):
    def made(step, seed):
        return sample_batch(tiny.corpora, (4, 2, 2), 3, tiny.vocabulary, tiny.max_length, step, seed)

    for one, other in zip(made(3, 1), made(3, 1), strict=True):
        assert torch.equal(one, other)
    found = {made(step, seed)[0].numpy().tobytes() for step in range(3) for seed in range(3)}
    assert len(found) == 9


def test_photos_and_their_sentences_stay_together(tiny):
    sets = [Corpus(OfPhotos(4, 10 * k), [[("en", text)] for text in "abcd"]) for k in (0, 1)]
    vocabulary = type(tiny.vocabulary)(("<end>", "<start>", "<unknown>", *"abcd"))
    given_, words = sample_batch(sets, (4, 2), 2, vocabulary, 5, 1, 0)
    assert (given_[:4] < 4).all()
    assert (given_[4:] >= 10).all()
    for photo, sentences in zip(given_[:, 0].int().tolist(), words, strict=True):
        assert [vocabulary.decode(ids[1:]) for ids in sentences] == ["abcd"[photo % 10]] * 2


@pytest.mark.parametrize(("max_length", "width"), [(8, 5), (3, 5), (2, 4), (1, 3)])
def test_a_batch_is_as_wide_as_its_longest_sentence_with_start_and_end(tiny, max_length, width):
    sets = [Corpus(OfPhotos(2), [[("en", "a dog runs")], [("en", "a")]])]
    _, words = sample_batch(sets, (2,), 2, tiny.vocabulary, max_length, 0, 0)
    assert words.shape == (2, 2, width)
    assert (words[:, :, -1] == END).all()


def test_languages_differ_by_the_start_token_of_their_sentences():
    from imagist.training.captioners.vocabulary import build_vocabulary

    vocabulary = build_vocabulary(["a dog ein hund"], ["en", "de"], 1)
    sets = [Corpus(OfPhotos(1), [[("en", "a dog"), ("de", "ein hund")]])]
    _, words = sample_batch(sets, (1,), 2, vocabulary, 5, 0, 0)
    found = {vocabulary.decode(ids[1:]): int(ids[0]) for ids in words[0]}
    assert found == {"a dog": vocabulary.starts["en"], "ein hund": vocabulary.starts["de"]}
