import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagist.errors import UnknownName
from imagist.images import VIEWS, crops, letterbox, square, view
from imagist.images.views import MOST_VIEWS

sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


def ramp(height: int, width: int) -> np.ndarray:
    """Red grows to the right, green downwards."""
    out = np.zeros((height, width, 3), np.uint8)
    out[..., 0] = np.linspace(0, 255, width)
    out[..., 1] = np.linspace(0, 255, height)[:, None]
    return out


@pytest.mark.parametrize("name", VIEWS)
@given(size=sizes, side=st.integers(1, 48))
@settings(deadline=None)
def test_every_view_gives_squares_of_the_side(name, size, side):
    views = view(name)(ramp(*size), side)
    assert views.dtype == np.uint8
    assert views.shape[1:] == (side, side, 3)
    assert 1 <= len(views) <= MOST_VIEWS


@pytest.mark.parametrize("name", VIEWS)
@given(side=st.integers(1, 48))
def test_what_has_the_side_already_is_not_touched(name, side):
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    views = view(name)(pixels, side)
    np.testing.assert_array_equal(views, pixels[None])


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_does_not_change_the_photo(name):
    pixels = ramp(50, 70)
    pixels.flags.writeable = False
    before = pixels.copy()
    view(name)(pixels, 16)
    np.testing.assert_array_equal(pixels, before)


def test_square_is_a_bicubic_squash():
    pixels = ramp(30, 60)
    expected = np.asarray(Image.fromarray(pixels).resize((20, 20), Image.Resampling.BICUBIC))
    assert np.abs(square(pixels, 20)[0].astype(int) - expected).max() <= 3


def test_letterbox_keeps_the_proportions_and_pads_evenly():
    white = np.full((25, 100, 3), 255, np.uint8)
    for pixels, axis in ((white, 1), (white.transpose(1, 0, 2), 0)):
        out = letterbox(np.ascontiguousarray(pixels), 40)[0]
        covered = (out == 255).all(axis=2).all(axis=axis)
        assert covered.tolist() == [False] * 15 + [True] * 10 + [False] * 15
        assert (out[0, 0] == (124, 116, 104)).all()


def test_letterbox_enlarges_small_images():
    assert (letterbox(np.full((2, 2, 3), 7, np.uint8), 16) == 7).all()


def test_crops_of_a_small_nearly_square_image_is_the_whole():
    assert len(crops(ramp(50, 60), 48)) == 1


@pytest.mark.parametrize(
    ("size", "side", "views"),
    [
        ((50, 75), 48, 3),  # 3:2, small: the whole and two halves that overlap
        ((50, 150), 48, 5),
        ((50, 5000), 48, 6),
        ((100, 110), 48, 5),  # large: the whole and four quarters
        ((100, 150), 48, 6),  # large and wide: two crops and three details
    ],
)
def test_how_many_crops(size, side, views):
    assert len(crops(ramp(*size), side)) == views
    assert len(crops(ramp(*size[::-1]), side)) == views


def test_crops_start_with_the_whole_and_reach_both_ends():
    pixels = ramp(50, 150)
    views = crops(pixels, 25)
    np.testing.assert_array_equal(views[:1], square(pixels, 25))
    reds = views[1:5, :, :, 0].astype(int)
    assert reds[0, :, 0].max() < 10
    assert reds[3, :, -1].min() > 245
    for left, right in itertools.pairwise(reds):
        assert right[:, 0].max() < left[:, -1].min()  # neighbours overlap


def test_crops_of_a_tall_image_are_those_of_the_wide_one_turned():
    pixels = ramp(40, 130)
    turned = np.ascontiguousarray(pixels.transpose(1, 0, 2))
    difference = crops(pixels, 16).astype(int) - crops(turned, 16).transpose(0, 2, 1, 3)
    assert np.abs(difference).max() <= 2


def test_an_unknown_view_lists_the_known():
    with pytest.raises(UnknownName, match=r"no view 'fisheye'.*square, letterbox, crops"):
        view("fisheye")
