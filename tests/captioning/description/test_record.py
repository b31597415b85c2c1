from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.description.record import check_detail, checked
from imagist.errors import UsageError

NUMBERS = st.floats(-0.5, 1.5) | st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf])


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_a_box_is_taken_as_it_is_or_refused(box):
    x0, y0, x1, y1 = box
    if 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1:
        assert checked(box) == box
    else:
        with pytest.raises(UsageError) as caught:
            checked(box)
        assert caught.value.item == "region"
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ((10, 20, 200, 150), "divide pixels"),
        ((0.5, 0, 0.5, 1), "is empty"),
        ((0.6, 0, 0.5, 1), "left before right"),
        ((0, 0, 1), "not a box"),
        ("middle", "not a box"),
        (None, "not a box"),
        ((0, 0, "wide", 1), "not a box"),
    ],
)
def test_what_is_wrong_with_a_box(region, reason):
    with pytest.raises(UsageError) as caught:
        checked(region)
    assert reason in str(caught.value)


@pytest.mark.parametrize("detail", [-1, 4, 1.5, None, "2"])
def test_there_are_four_details(detail):
    with pytest.raises(UsageError, match="detail"):
        check_detail(detail)
    for known in range(4):
        check_detail(known)
