"""Captions and references of the same images, whatever each side calls them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.captions import Record
from imagist.errors import DataError
from imagist.metrics.pairing import pair
from imagist.metrics.predictions import PredictedCaption


def records(*names: str) -> list[Record]:
    return [Record(name, (f"about {name}",)) for name in names]


def said(*names: str) -> list[PredictedCaption]:
    return [PredictedCaption(name, f"caption {number}") for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (["x/1.jpg", "x/2.jpg", "y/1.jpg"], ["x/2.jpg", "y/1.jpg", "x/1.jpg"]),
        (["flickr/a.jpg", "flickr/b.jpg", "c.jpg"], ["/home/b.jpg", "c.jpg", "a.jpg"]),
        (["a.jpg", "b.jpg", "c.jpg"], ["b", "c.png", "x\\a.jpeg"]),
        (["000000000139.jpg", "COCO_val2014_000000000285.jpg", "x632.jpg"], ["285", "632", "139"]),
        (["139", "285", "632"], ["000000000285.jpg", "000000000632.jpg", "000000000139.jpg"]),
        (["d/t.parquet#0", "d/t.parquet#1", "d/t.parquet#2"], ["t.parquet#1", "t.parquet#2", "t.parquet#0"]),
        (["http://x.org/a.jpg", "http://x.org/b.jpg", "http://x.org/c.jpg"], ["b.jpg", "c.jpg", "a.jpg"]),
    ],
)
def test_names_are_matched_by_the_strictest_rule_that_works(theirs: list[str], ours: list[str]) -> None:
    paired = pair(said(*ours), records(*theirs), item="p.csv")
    assert paired.images == theirs
    assert paired.hypotheses == ["caption 2", "caption 0", "caption 1"]
    assert paired.references == [(f"about {name}",) for name in theirs]


@given(st.lists(st.text("abz019/._é", min_size=1, max_size=8), min_size=1, max_size=8, unique=True), st.randoms())
def test_the_order_of_predictions_does_not_count(names: list[str], draw: random.Random) -> None:
    mixed = [PredictedCaption(name, name.upper()) for name in draw.sample(names, len(names))]
    paired = pair(mixed, records(*names), item="p.csv")
    assert paired.hypotheses == [name.upper() for name in names]


def test_without_names_on_either_side_rows_belong_together_in_their_order() -> None:
    paired = pair(said("", ""), records("t.parquet#0", "t.parquet#1"), item="p.txt")
    assert paired.hypotheses == ["caption 0", "caption 1"]
    with pytest.raises(DataError, match=r"1 predictions of 2 images"):
        pair(said(""), records("t.parquet#0", "t.parquet#1"), item="p.txt")


def test_names_on_one_side_only_are_refused() -> None:
    with pytest.raises(DataError, match=r"names no images.*a\.jpg.*column source"):
        pair(said("", ""), records("a.jpg", "b.jpg"), item="p.txt")


def test_every_mismatch_is_named_at_once() -> None:
    theirs = [*records("a.jpg", "b.jpg", "c.jpg", "e.jpg", "e.jpg"), Record("f.jpg", ())]
    with pytest.raises(DataError) as caught:
        pair([*said("a", "a", "b", "d", "e", "f"), PredictedCaption("", "who knows")], theirs, item="p.csv")
    message = str(caught.value)
    for fault in (
        "image predicted twice: a",
        "image without a prediction: c.jpg",
        "prediction of an image without references: d",
        "image twice among the references: e.jpg",
        "image without references: f.jpg",
        "prediction without the name of its image: row 6: 'who knows'",
    ):
        assert fault in message
    assert "b" not in [line.split(": ")[-1] for line in message.splitlines()]


def test_many_mismatches_are_counted() -> None:
    with pytest.raises(DataError, match="100 faults"):
        pair(said("0"), records(*(f"{n}.jpg" for n in range(101))), item="p.csv")


def test_a_rule_that_takes_two_images_for_one_is_not_used() -> None:
    with pytest.raises(DataError, match=r"without a prediction: a/1\.jpg"):
        pair(said("1.jpg", "b/1.jpg"), records("a/1.jpg", "b/1.jpg"), item="p.csv")


def test_numbers_are_looked_for_only_where_one_side_has_nothing_else() -> None:
    with pytest.raises(DataError):
        pair(said("photo1.jpg"), records("image1.jpg"), item="p.csv")
