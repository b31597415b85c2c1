"""Frozen records: what they refuse and what they answer."""

from __future__ import annotations

import dataclasses
import gc
import json
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist import records
from imagist.errors import UsageError
from imagist.records import Caption, LabelSet, Photo, Prediction, Row, flat

LABELS = LabelSet(("cat", "dog", "food"))


def prediction(*probabilities, **fields):
    p = np.array(probabilities, np.float32)
    return Prediction("a.jpg", Caption("a cat", -1.0), LABELS, p, np.roll(p, 1), np.roll(p, 2), **fields)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 2, 3), np.float32),
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros((1, 2, 2, 3), np.uint8),
    ],
)
def test_a_photo_refuses_other_arrays_and_names_itself(pixels):
    with pytest.raises(UsageError, match=r"odd\.jpg: a photo needs uint8"):
        Photo(pixels, "odd.jpg")


def test_a_photo_knows_its_size():
    pixels = np.zeros((2, 5, 3), np.uint8)
    assert Photo(pixels).size == (5, 2)
    assert Photo(pixels, size=(50, 20)).size == (50, 20)


def test_photos_are_themselves_and_can_be_let_go():
    pixels = np.zeros((2, 5, 3), np.uint8)
    photo = Photo(pixels)
    assert photo != Photo(pixels)
    assert len({photo, photo, Photo(pixels)}) == 2
    gone = weakref.ref(photo)
    del photo
    gc.collect()
    assert gone() is None


def test_every_record_is_frozen():
    for cls in (c for c in vars(records).values() if isinstance(c, type) and dataclasses.is_dataclass(c)):
        assert cls.__dataclass_params__.frozen, cls


@pytest.mark.parametrize("names", [(), ("a", "a"), ("a", ""), ("a", "  ")])
def test_a_label_set_needs_distinct_names(names):
    with pytest.raises(UsageError, match="distinct"):
        LabelSet(names)


def test_a_name_given_twice_is_named():
    with pytest.raises(UsageError, match="twice dog"):
        LabelSet(("dog", "cat", "dog"))


@given(st.lists(st.text("abc", min_size=1), min_size=1, unique=True))
def test_a_label_set_finds_its_names(names):
    labels = LabelSet(tuple(names))
    assert len(labels) == len(names)
    assert list(labels) == names
    assert [labels.index(name) for name in names] == list(range(len(names)))


def test_an_unknown_label_lists_those_there_are():
    with pytest.raises(UsageError, match=r"'cow'.*one of cat, dog, food"):
        LABELS.index("cow")


def test_a_prediction_reads_its_probabilities():
    made = prediction(0.2, 0.7, 0.1)
    assert (made.label, made.image_label, made.text_label) == ("dog", "food", "cat")
    assert made.probability == pytest.approx(0.7)
    assert [name for name, _ in made.top(2)] == ["dog", "cat"]
    assert len(made.top(99)) == 3


def test_an_abstaining_prediction_names_nothing_but_keeps_its_probability():
    made = prediction(0.2, 0.7, 0.1, abstained=True)
    assert made.label is None
    assert made.probability == pytest.approx(0.7)


def test_a_prediction_is_json_and_one_line():
    made = prediction(0.2, 0.7, 0.1)
    assert json.loads(json.dumps(made.to_dict()))["probabilities"] == {"cat": 0.2, "dog": 0.7, "food": 0.1}
    assert list(made.to_dict()) == list(flat.columns(flat.PREDICTION_FIELDS))
    assert repr(made) == "<Prediction 'a.jpg': 'dog' 0.70, 'a cat'>"
    assert repr(prediction(0.2, 0.7, 0.1, abstained=True)) == "<Prediction 'a.jpg': None, 'a cat'>"


def test_ties_go_to_the_first_label():
    made = prediction(0.4, 0.2, 0.4)
    assert made.label == "cat"
    assert [name for name, _ in made.top(3)] == ["cat", "food", "dog"]


def test_rows_do_not_share_their_columns():
    assert Row("a").columns is not Row("b").columns
