from __future__ import annotations

import numpy as np
import pytest
from fake_captioners import noise
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imagist.captioning.description.crops import (
    PARTS,
    PEAK_SIDE,
    attention_crops,
    crop,
    hypotheses_of,
    overlap,
    part_crops,
    peak,
    position,
    trimmed,
    whole_crops,
    widened,
    within,
)
from imagist.captioning.description.record import WHOLE
from imagist.records import Caption, Hypothesis, Photo

EDGE = st.floats(0, 1)
BOX = st.tuples(EDGE, EDGE, EDGE, EDGE).filter(lambda b: b[0] < b[2] and b[1] < b[3])
ROUND = BOX.map(lambda box: tuple(round(edge, 2) for edge in box)).filter(lambda b: b[0] < b[2] and b[1] < b[3])


def inside(box, outer=WHOLE):
    return all(a <= b + 1e-9 for a, b in zip(outer[:2], box[:2], strict=True)) and all(
        a <= b + 1e-9 for a, b in zip(box[2:], outer[2:], strict=True)
    )


@given(BOX)
def test_a_margin_stays_in_the_image(box):
    assert inside(widened(box))
    assert inside(box, widened(box))
    assert inside(trimmed(box), box)


@given(ROUND, ROUND)
def test_overlap_is_a_share_and_symmetric(one, other):
    assert overlap(one, one) == pytest.approx(1)
    assert 0 <= overlap(one, other) <= 1 + 1e-9
    assert overlap(one, other) == overlap(other, one)


def test_overlap_of_halves():
    assert overlap((0, 0, 0.5, 1), (0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 0.5, 1), (0.5, 0, 1, 1)) == 0


@given(BOX, st.integers(1, 40), st.integers(1, 40))
def test_a_part_has_the_pixels_of_its_box(box, height, width):
    photo = noise(1, height, width)
    found = crop(photo, box).pixels
    assert np.shares_memory(found, photo.pixels)
    assert 1 <= found.shape[0] <= box[3] * height - box[1] * height + 2
    assert 1 <= found.shape[1] <= box[2] * width - box[0] * width + 2


def test_a_part_is_named_after_its_box_and_is_where_it_says():
    photo = noise(2, 100, 200)
    found = crop(photo, (0.5, 0.25, 1.0, 0.75))
    assert np.array_equal(found.pixels, photo.pixels[25:75, 100:])
    assert found.source == "noise2#0.5,0.25,1,0.75"


def test_the_whole_is_the_photo_itself():
    photo = noise(3, 100, 100)
    (plain, box), (inner, cut) = whole_crops(photo, None)
    assert plain is photo
    assert box == WHOLE
    assert inner.pixels.shape == (84, 84, 3)
    assert cut == trimmed(WHOLE)


def test_a_wide_image_is_letterboxed_too():
    looks = whole_crops(noise(4, 60, 120), None)
    assert [image.pixels.shape[:2] for image, _ in looks] == [(60, 120), (120, 120), (52, 102)]
    assert looks[0][1] == looks[1][1] == WHOLE


def test_parts_cover_the_image_and_overlap():
    covered = np.zeros((100, 100), int)
    for x0, y0, x1, y1 in PARTS:
        covered[round(y0 * 100) : round(y1 * 100), round(x0 * 100) : round(x1 * 100)] += 1
    assert covered.min() >= 3
    assert len(part_crops(noise(5, 100, 100), None)) == len(PARTS)


def test_parts_too_small_are_left_out():
    assert part_crops(noise(6, 40, 40), None) == []
    assert {box for _, box in part_crops(noise(6, 40, 100), None)} == {PARTS[0], PARTS[1]}


@given(BOX)
def test_parts_of_a_region_lie_in_it(region):
    assert all(inside(box, widened(region)) for _, box in part_crops(noise(7, 300, 300), region))


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)))
def test_a_peak_holds_the_highest_cell_and_is_not_too_small(cells):
    x0, y0, x1, y1 = peak(cells)
    top, left = np.unravel_index(cells.argmax(), cells.shape)
    assert inside((x0, y0, x1, y1))
    assert min(x1 - x0, y1 - y0) >= PEAK_SIDE - 1e-6
    assert x0 <= (left + 0.5) / cells.shape[1] <= x1
    assert y0 <= (top + 0.5) / cells.shape[0] <= y1


def test_a_peak_is_where_the_attention_is():
    cells = np.full((10, 10), 0.1, np.float32)
    cells[6:9, 0:3] = 1
    assert peak(cells) == pytest.approx((0.0, 0.55, 0.4, 0.95))


def caption(words, *spots):
    cells = np.full((len(words), 10, 10), 0.01, np.float32)
    for map_, (row, column) in zip(cells, spots, strict=True):
        map_[row, column] = 1
    return Caption(" ".join(words), -3.0, tuple(words), (), cells / cells.sum((1, 2), keepdims=True))


def test_each_noun_gets_a_crop_around_its_attention():
    said = caption(["a", "dog", "chases", "a", "cat"], (0, 0), (8, 1), (0, 0), (0, 0), (1, 8))
    found = attention_crops(noise(8, 100, 100), said, WHOLE)
    assert [box for _, box in found] == [pytest.approx((0, 0.6, 0.4, 1)), pytest.approx((0.6, 0, 1, 0.4))]


def test_nouns_in_one_place_share_a_crop_and_no_attention_gives_none():
    said = caption(["a", "dog", "chases", "a", "cat"], (0, 0), (8, 1), (0, 0), (0, 0), (8, 2))
    assert len(attention_crops(noise(8, 100, 100), said, WHOLE)) == 1
    assert attention_crops(noise(8, 100, 100), Caption("a dog", -1.0, ("a", "dog")), WHOLE) == []


def test_nouns_that_cannot_be_pointed_at_get_no_crop():
    said = caption(["a", "view", "of", "the", "air"], (0, 0), (8, 1), (0, 0), (0, 0), (8, 2))
    assert attention_crops(noise(8, 100, 100), said, WHOLE) == []


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ([PARTS[0]], "on the left"),
        ([PARTS[1], PARTS[6]], "at the top right"),
        ([PARTS[0], PARTS[1]], ""),
        ([PARTS[2]], "at the top"),
        ([PARTS[3], PARTS[7], PARTS[8]], "in the foreground"),
        ([PARTS[7]], "at the bottom left"),
        ([PARTS[0], PARTS[5], PARTS[7]], "on the left"),
        ([PARTS[4]], ""),
    ],
)
def test_position_is_the_mean_of_where_it_was_seen(boxes, said):
    assert position(boxes, WHOLE) == said
    region = (0.5, 0.5, 0.9, 0.7)
    assert position([within(box, region) for box in boxes], region) == said


def test_hypotheses_have_shares():
    said = hypotheses_of(
        Caption("a dog", -1.0, (), (Hypothesis("a dog", -1.0), Hypothesis("a cat", -1.0 - np.log(3)))), WHOLE
    )
    assert [s.text for s in said] == ["a dog", "a cat"]
    assert [s.share for s in said] == pytest.approx([0.75, 0.25])
    assert said[0].per_word == pytest.approx(-1 / 3)


def test_a_caption_without_hypotheses_is_one():
    (said,) = hypotheses_of(Caption("a dog", -1.0), WHOLE)
    assert (said.text, said.share) == ("a dog", 1.0)
    assert hypotheses_of(Caption(" ", 0.0), WHOLE) == []


def test_a_photo_of_one_pixel():
    photo = Photo(np.zeros((1, 1, 3), np.uint8))
    assert [image.pixels.shape for image, _ in whole_crops(photo, (0.2, 0.2, 0.4, 0.4))] == [(1, 1, 3)] * 2
