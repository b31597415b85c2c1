"""The one flat form of a result."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.description import Description
from imagist.captioning.description.record import Statement
from imagist.errors import CorruptImage, SourceNotFound
from imagist.records import Caption, Failure, Hypothesis, LabelSet, Prediction, Recognised
from imagist.records.flat import (
    CAPTION_FIELDS,
    DESCRIPTION_FIELDS,
    FIELDS,
    PREDICTION_FIELDS,
    as_record,
    columns,
    shortest,
)

LABELS = LabelSet(("cat", "dog"))


def row(*values):
    return np.array(values, np.float32)


def prediction(abstained=False):
    return Prediction("a.jpg", Caption("a cat", -1.5), LABELS, row(0.85, 0.15), row(0.1, 0.9), row(0.3, 0.7), abstained)


CAPTION = Caption("a cat", -1.5, nbest=(Hypothesis("a cat", -1.5), Hypothesis("the cat", -2.25)))
DESCRIPTION = Description(
    "A cat. A mat.", (Statement("A cat.", (0, 0, 1, 1), -1.5), Statement("A mat.", (0, 0.1, 1, 1), -2)), 3
)


@pytest.mark.parametrize(
    ("result", "fields"),
    [(prediction(), PREDICTION_FIELDS), (CAPTION, CAPTION_FIELDS), (DESCRIPTION, DESCRIPTION_FIELDS)],
)
def test_each_result_fills_its_columns_in_the_order_of_the_schema(result, fields):
    record = as_record("a.jpg", result)
    assert list(record) == list(columns(fields)) == [name for name in FIELDS if name in record]
    assert json.loads(json.dumps(record)) == record
    assert (record["source"], record["error_kind"], record["error_message"]) == ("a.jpg", None, None)


def test_the_values_of_a_prediction():
    assert as_record("a.jpg", prediction()) == {
        "source": "a.jpg",
        "caption": "a cat",
        "caption_logprob": -1.5,
        "caption_confidence": None,
        "recognised": None,
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


def test_what_the_encoder_recognises_is_a_mapping_with_the_likeliest_first():
    things = (Recognised("tabby, tabby cat", "tabby", 0.5), Recognised("lynx, catamount", "lynx", 0.25))
    assert as_record("a.jpg", replace(prediction(), recognised=things))["recognised"] == {"tabby": 0.5, "lynx": 0.25}


def test_an_abstained_prediction_has_no_label_but_a_probability():
    record = as_record("a.jpg", prediction(abstained=True))
    assert (record["label"], record["probability"]) == (None, 0.85)


def test_a_failure_has_the_error_alone():
    failure = Failure("a.jpg", CorruptImage("is cut short", item="a.jpg", remedy="fetch it again"))
    assert as_record("a.jpg", failure) == {
        "source": "a.jpg",
        "error_kind": "corrupt_image",
        "error_message": "is cut short (fetch it again)",
    }


def test_a_failure_without_a_remedy_has_no_empty_brackets():
    assert as_record("a", Failure("a", SourceNotFound("no such file")))["error_message"] == "no such file"


def test_a_caption_has_its_hypotheses():
    expected = [{"text": "a cat", "logprob": -1.5}, {"text": "the cat", "logprob": -2.25}]
    assert as_record("a.jpg", CAPTION)["nbest"] == expected


def test_a_description_has_its_sentences_with_their_boxes():
    first, second = as_record("a.jpg", DESCRIPTION)["sentences"]
    assert first == {"text": "A cat.", "logprob": -1.5, "box": [0, 0, 1, 1]}
    assert second["box"] == [0, 0.1, 1, 1]


@given(st.floats(0, 1, width=32))
def test_numbers_are_short_and_lose_nothing(p):
    written = shortest(np.float32(p))
    assert np.float32(json.loads(json.dumps(written))) == np.float32(p)
    assert len(repr(written)) <= 14
