from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.engine.columns import CAPTIONED, CLASSIFIED, captioned, carried_names, classified
from imagist.errors import CorruptImage, SourceNotFound
from imagist.records import Caption, Failure, Hypothesis, LabelSet, Prediction

LABELS = LabelSet(("cat", "dog"))


def row(*values):
    return np.array(values, np.float32)


def prediction(abstained=False):
    return Prediction("a.jpg", Caption("a cat", -1.5), LABELS, row(0.85, 0.15), row(0.1, 0.9), row(0.3, 0.7), abstained)


def test_a_prediction_fills_every_column_but_the_errors():
    flat = classified("a.jpg", prediction())
    assert flat == {
        "source": "a.jpg",
        "caption": "a cat",
        "caption_logprob": -1.5,
        "label": "cat",
        "probability": 0.85,
        "image_label": "dog",
        "text_label": "dog",
        "probabilities": {"cat": 0.85, "dog": 0.15},
        "image_probabilities": {"cat": 0.1, "dog": 0.9},
        "text_probabilities": {"cat": 0.3, "dog": 0.7},
        "error_kind": None,
        "error_message": None,
    }
    assert list(flat) == list(CLASSIFIED)


def test_who_abstains_names_no_category_but_keeps_the_probability():
    flat = classified("a.jpg", prediction(abstained=True))
    assert (flat["label"], flat["probability"]) == (None, 0.85)


@pytest.mark.parametrize(("flatten", "columns"), [(classified, CLASSIFIED), (captioned, CAPTIONED)])
def test_a_failure_fills_the_errors_alone(flatten, columns):
    flat = flatten("a.jpg", Failure("a.jpg", CorruptImage("is cut short", item="a.jpg", remedy="fetch it again")))
    assert list(flat) == list(columns)
    assert {name: value for name, value in flat.items() if value is not None} == {
        "source": "a.jpg",
        "error_kind": "corrupt_image",
        "error_message": "is cut short (fetch it again)",
    }


def test_a_failure_without_a_remedy_has_no_empty_brackets():
    assert classified("a", Failure("a", SourceNotFound("no such file")))["error_message"] == "no such file"


def test_a_caption_keeps_its_hypotheses():
    best = (Hypothesis("a cat", -1.5), Hypothesis("the cat", -2.25))
    flat = captioned("a.jpg", Caption("a cat", -1.5, nbest=best))
    assert flat["nbest"] == [{"text": "a cat", "logprob": -1.5}, {"text": "the cat", "logprob": -2.25}]
    assert list(flat) == list(CAPTIONED)


@given(st.floats(0, 1, width=32))
def test_probabilities_are_short_and_lose_nothing(p):
    result = Prediction("a", Caption("", 0.0), LABELS, row(p, 0), row(p, 0), row(p, 0))
    written = classified("a", result)["probabilities"]["cat"]
    assert np.float32(json.loads(json.dumps(written))) == np.float32(p)
    assert len(repr(written)) <= 14


@pytest.mark.parametrize(
    ("carried", "expected"),
    [
        ([], {}),
        (["user"], {"user": "user"}),
        (["caption"], {"caption": "input.caption"}),
        (["input.caption"], {"input.caption": "input.caption"}),
        (["caption", "input.caption"], {"caption": "input.input.caption", "input.caption": "input.caption"}),
        (["input.caption", "caption"], {"input.caption": "input.caption", "caption": "input.input.caption"}),
        (["Caption"], {"Caption": "Caption"}),
    ],
)
def test_a_carried_column_yields_where_names_clash(carried, expected):
    assert carried_names(carried, CLASSIFIED) == expected


@given(st.lists(st.sampled_from(["label", "input.label", "input.input.label", "x", "input.x", "source"]), unique=True))
def test_no_two_columns_ever_share_a_name(carried):
    names = carried_names(carried, CLASSIFIED)
    assert list(names) == carried
    everything = [*CLASSIFIED, *names.values()]
    assert len(set(everything)) == len(everything)
    assert all(new == old or new.endswith(f"input.{old}") for old, new in names.items())
    assert all(names[name] == name for name in carried if name not in CLASSIFIED)
