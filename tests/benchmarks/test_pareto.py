"""What nothing beats, and its plot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from PIL import Image

from pareto import Point, draw, front, overlap

numbers = st.integers(0, 6).map(float)


def points(pairs):
    return [Point(str(i), rate, figure, figure - 1, figure + 2) for i, (rate, figure) in enumerate(pairs)]


def beats(a, b):
    return a.rate >= b.rate and a.figure >= b.figure and (a.rate, a.figure) != (b.rate, b.figure)


@given(st.lists(st.tuples(numbers, numbers), max_size=12))
def test_the_front_has_what_no_other_point_dominates(pairs):
    every = points(pairs)
    found = front(every)
    assert {p.name for p in found} == {p.name for p in every if not any(beats(q, p) for q in every)}
    assert [p.rate for p in found] == sorted(p.rate for p in found)
    assert [p.figure for p in found] == sorted((p.figure for p in found), reverse=True)


def test_both_formats_are_drawn_and_come_out_the_same_again(tmp_path):
    some = points([(60, 70), (62, 69), (61, 69.5), (120, 55), (90, 50)])
    paths = [tmp_path / "a.png", tmp_path / "a.svg"]
    draw(some, paths, of="dev")
    with Image.open(paths[0]) as image:
        assert image.size > (800, 500)
    first = paths[1].read_bytes()
    assert first.count(b"<g id=") > 10
    draw(some, paths, of="dev")
    assert paths[1].read_bytes() == first


def test_a_single_point_is_drawn(tmp_path):
    draw(points([(60, 70)]), [tmp_path / "a.png"], of="test")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_boxes_overlap_where_they_share_a_point():
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3))
    assert not overlap((0, 0, 2, 2), (2, 0, 3, 2))
    assert not overlap((0, 0, 2, 2), (0, 5, 2, 6))
