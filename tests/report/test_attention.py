from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.records import Caption, Photo
from imagist.report.attention import MARGIN, PANEL, PAPER, contact_sheet, heat, overlaid, wrapped


def photo(width=40, height=30, colour=(90, 160, 200)):
    return Photo(np.full((height, width, 3), colour, np.uint8))


def one_cell(y, x, side=7):
    cells = np.zeros((side, side), np.float32)
    cells[y, x] = 1
    return cells


def caption(*words):
    return Caption(" ".join(words), -1.0, words, attention=np.stack([one_cell(0, i % 7) for i in range(len(words))]))


def test_heat_is_warm_and_clear_where_the_model_looked_and_dark_elsewhere():
    overlay = np.asarray(heat(one_cell(1, 5), (70, 70)))
    looked, elsewhere = overlay[15, 55], overlay[60, 10]
    assert overlay.shape == (70, 70, 4)
    assert looked[0] > 200 > elsewhere[0]
    assert looked[3] < elsewhere[3]
    assert np.unravel_index(overlay[..., 0].argmax(), (70, 70)) == pytest.approx((15, 55), abs=4)


def test_heat_depends_on_relative_heights_alone():
    cells = np.random.default_rng(0).random((7, 7), np.float32)
    assert np.array_equal(heat(cells, (50, 20)), heat(cells / 1000, (50, 20)))


def test_heat_is_smooth():
    levels = np.asarray(heat(one_cell(3, 3), (210, 210)))[..., 0].astype(int)
    assert np.abs(np.diff(levels, axis=1)).max() < 20


def test_no_attention_at_all_is_dark_and_not_a_fault():
    assert (np.asarray(heat(np.zeros((7, 7), np.float32), (10, 10)))[..., 3] == 205).all()


def test_an_overlaid_image_keeps_its_size_and_can_be_seen():
    from PIL import Image

    image = Image.fromarray(photo().pixels)
    result = np.asarray(overlaid(image, one_cell(0, 0)))
    assert result.shape == (30, 40, 3)
    assert result[0, 0].sum() > 2 * result[-1, -1].sum()
    assert (result[-1, -1] > 20).all()


def test_words_that_look_at_different_places_are_told_apart_whatever_they_share():
    shared = np.random.default_rng(1).random((7, 7)).astype(np.float32)
    first, second = (np.asarray(heat(shared + 3 * one_cell(*at), (70, 70)))[..., 3] for at in ((1, 1), (5, 5)))
    assert first[15, 15] < 60 < 120 < first[55, 55]
    assert second[55, 55] < 60 < 120 < second[15, 15]


def test_the_sheet_has_the_photo_and_one_panel_a_word():
    sheet = contact_sheet(photo(), caption("a", "cat", "sits"))
    pixels = np.asarray(sheet)
    assert sheet.mode == "RGB"
    assert sheet.width == 4 * (PANEL + MARGIN) + MARGIN
    middle = pixels[sheet.height // 2]
    panels = [middle[MARGIN + n * (PANEL + MARGIN) + PANEL - 3] for n in range(4)]
    assert panels[0].tolist() == [90, 160, 200]
    assert all(panel.tolist() not in ([90, 160, 200], list(PAPER)) for panel in panels[1:])


def test_long_captions_break_into_rows():
    few, many = contact_sheet(photo(), caption(*"abcd")), contact_sheet(photo(), caption(*"abcdefghijklmn"))
    assert many.width == few.width
    assert many.height > 2 * few.height


def test_without_attention_the_sheet_holds_the_photo_alone():
    assert contact_sheet(photo(), Caption("a cat", -1.0, ("a", "cat"))).width == PANEL + 2 * MARGIN


@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 7))
@settings(deadline=None, max_examples=30)
def test_any_shape_of_photo_can_be_drawn(width, height, words):
    attention = np.full((words, 7, 7), 1 / 49, np.float32)
    tokens = tuple("abcdefg"[:words])
    sheet = contact_sheet(photo(width, height), Caption(" ".join(tokens), -1.0, tokens, attention=attention))
    assert min(sheet.size) > 2 * MARGIN


def test_text_wraps_between_words():
    lines = wrapped("one two three four five six seven", 120)
    assert " ".join(lines) == "one two three four five six seven"
    assert len(lines) > 1
    assert wrapped("", 100) == []
    assert wrapped("incomprehensibilities", 10) == ["incomprehensibilities"]
