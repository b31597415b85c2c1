"""Words of a caption, regions of an image, and settings: what an explanation is put together from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from imagist.errors import UsageError
from imagist.explanation import ExplainOptions
from imagist.explanation.regions import attended, filling, hidden, moved, single_cells
from imagist.explanation.words import content_words, without
from imagist.records import Caption, Photo, Phrase

MAPS = arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32))


def said(text):
    return Caption(text, -1.0, tuple(text.split()))


def noise(height, width):
    return Photo(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8), "noise")


def test_words_for_grammar_alone_do_not_count():
    assert list(content_words(said("a dog is on the red sofa with two cats"))) == ["dog", "red", "sofa", "two", "cats"]


def test_a_word_that_is_said_twice_is_one_word_with_two_places():
    assert content_words(said("Red shirt and red shoes")) == {"Red": (0, 3), "shirt": (1,), "shoes": (4,)}


def test_a_caption_without_tokens_is_split():
    assert content_words(Caption("a dog", -1.0)) == {"dog": (1,)}
    assert without(Caption("a dog runs", -1.0), {1}) == "a runs"


def test_phrases_count_as_one_word_each():
    text = "a dog, red car, on grass"
    caption = Caption(text, -1.0, tuple(text.split()), phrases=(Phrase("red car", 0.3), Phrase("on grass", 0.2)))
    assert content_words(caption) == {"dog": (1,), "red car": (2, 3), "on grass": (4, 5)}
    assert without(caption, (2, 3)) == "a dog, on grass"
    assert without(caption, (4, 5)) == "a dog, red car"
    assert caption.sentence == "a dog"


def test_a_phrase_that_is_a_word_of_the_sentence_is_the_same_word():
    caption = Caption("a dog, Dog", -1.0, ("a", "dog,", "Dog"), phrases=(Phrase("Dog", 0.3),))
    assert content_words(caption) == {"dog": (1, 2)}


def test_an_empty_caption_has_no_words():
    assert content_words(Caption("", -1.0)) == {}
    assert content_words(said("the , . !")) == {}


@given(st.lists(st.sampled_from(["a", "dog", "Dog", "red", "is", "ball"]), max_size=9))
def test_without_all_its_places_a_word_is_gone_and_no_other_is(tokens):
    caption = said(" ".join(tokens))
    for word, places in content_words(caption).items():
        left = without(caption, places).split()
        assert left == [token for token in tokens if token.lower() != word.lower()]


@given(MAPS, st.floats(0.01, 1))
def test_a_region_is_the_fewest_cells_that_hold_the_share(attention, mass):
    cells = attended(attention, mass)
    assert cells.shape == attention.shape
    assert cells.any()
    total = attention.sum(dtype=np.float64)
    assert attention[cells].sum(dtype=np.float64) >= mass * total * (1 - 1e-5)
    assert attention[cells].min() >= attention[~cells].max(initial=0)
    if cells.sum() > 1:  # with one cell fewer it would hold less
        smallest = attention[cells].min()
        assert attention[cells].sum(dtype=np.float64) - smallest < mass * total


@given(st.integers(2, 8), st.integers(1, 8), st.integers(1, 5), st.integers(0, 99))
def test_a_moved_region_has_the_same_size_and_is_elsewhere(height, width, count, seed):
    cells = np.zeros((height, width), bool)
    cells[0, 0] = True
    for other in moved(cells, count, np.random.default_rng(seed)):
        assert other.sum() == 1
        assert not other[0, 0]


def test_a_moved_region_keeps_its_shape():
    cells = np.zeros((7, 7), bool)
    cells[1:3, 2:5] = True
    for other in moved(cells, 9, np.random.default_rng(1)):
        assert any(np.array_equal(np.roll(cells, (y, x), (0, 1)), other) for y in range(7) for x in range(7))


def test_where_there_is_one_cell_it_stays():
    assert moved(np.ones((1, 1), bool), 2, np.random.default_rng(0)) == [np.ones((1, 1), bool)] * 2


def test_each_cell_has_its_mask():
    masks = single_cells(3)
    assert masks.shape == (9, 3, 3)
    assert (masks.sum((1, 2)) == 1).all()
    assert masks.sum(0).tolist() == [[1] * 3] * 3
    assert masks[5][1, 2]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_hiding_every_cell_leaves_nothing_and_none_leaves_all(height, width, h, w):
    photo = noise(height, width)
    instead = filling(photo, "mean")
    assert np.array_equal(hidden(photo, np.ones((h, w), bool), instead).pixels, instead)
    assert np.array_equal(hidden(photo, np.zeros((h, w), bool), instead).pixels, photo.pixels)


def test_only_the_pixels_of_a_cell_are_hidden():
    photo = noise(21, 28)
    cells = np.zeros((7, 7), bool)
    cells[2, 5] = True
    changed = (hidden(photo, cells, np.zeros_like(photo.pixels)).pixels == 0).all(2)
    assert changed[6:9, 20:24].all()
    changed[6:9, 20:24] = False
    assert not changed.any()


def test_a_hidden_photo_is_another_with_the_same_name():
    photo = Photo(noise(5, 6).pixels, "a.jpg", (600, 500))
    other = hidden(photo, np.ones((1, 1), bool), filling(photo, "mean"))
    assert (other.source, other.size) == ("a.jpg", (600, 500))
    assert other is not photo


def test_fillings_are_the_mean_colour_and_a_blur():
    photo = noise(60, 80)
    mean, blur = filling(photo, "mean"), filling(photo, "blur")
    assert np.unique(mean.reshape(-1, 3), axis=0).tolist() == [photo.pixels.mean((0, 1)).round().tolist()]
    assert 0 < blur.std() < photo.pixels.std() / 4
    assert blur.mean() == pytest.approx(photo.pixels.mean(), abs=2)


@pytest.mark.parametrize(
    "wrong", [{"grid": 0}, {"mass": 0.0}, {"mass": 1.1}, {"moves": 0}, {"fill": "x"}, {"batch_size": 0}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        ExplainOptions(**wrong)
