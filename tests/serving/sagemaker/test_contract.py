"""The contract of SageMaker's containers."""

from __future__ import annotations

import base64
import csv
import io
import json

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

import fake_service
from fake_service import image
from imagist.records.flat import CAPTION_FIELDS, PREDICTION_FIELDS

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def container():
    with fake_service.client(sagemaker=True, hosts=("*",)) as made:
        yield made


def body(*contents, **more):
    return {"images": [base64.b64encode(content).decode() for content in contents], **more}


def test_ping_answers_for_any_host(container):
    answer = container.get("/ping", headers={"Host": "model.aws.local:8080"})
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_image_is_classified(container):
    answer = container.post("/invocations", content=image(kind="jpeg"), headers=JPEG)
    assert answer.headers["content-type"] == "application/json"
    (record,) = answer.json()["results"]
    assert {*PREDICTION_FIELDS} <= {*record}


def test_the_task_and_options_are_taken_from_header_or_body(container):
    told = {**JPEG, "X-Amzn-SageMaker-Custom-Attributes": "task=caption, nbest=3"}
    (record,) = container.post("/invocations", content=image(), headers=told).json()["results"]
    assert len(record["nbest"]) == 3
    (record,) = container.post("/invocations", json=body(image(), task="describe", detail=0)).json()["results"]
    assert record["description"]


def test_json_lines_have_a_record_a_line(container):
    sent = {"json": body(image(1), b"x", image(2), task="caption"), "headers": {"Accept": "application/jsonlines"}}
    answer = container.post("/invocations", **sent)
    assert answer.headers["content-type"] == "application/jsonlines"
    records = [json.loads(line) for line in answer.text.splitlines()]
    assert [record["error_kind"] for record in records] == [None, "unknown_format", None]


def test_csv_has_the_columns_of_a_table(container):
    sent = {"json": body(image(1), b"x", task="caption"), "headers": {"Accept": "text/csv;q=0.9, */*"}}
    answer = container.post("/invocations", **sent)
    assert answer.headers["content-type"].startswith("text/csv")
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert [*first] == ["source", *CAPTION_FIELDS, "error_kind", "error_message"]
    assert json.loads(first["nbest"])[0]["text"] == first["caption"]
    assert second["error_kind"] == "unknown_format"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"content": b"x", "headers": {"Content-Type": "text/csv"}}, 415),
        ({"content": b"x", "headers": {"Content-Type": "application/x-npy"}}, 415),
        ({"content": b"hello", "headers": JPEG}, 415),
        ({"content": image(kind="jpeg")[:300], "headers": JPEG}, 422),
        ({"content": image(), "headers": {**JPEG, "Accept": "application/x-npy"}}, 406),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": {"images": [""], "task": "dance"}}, 422),
        ({"json": {"images": [""], "task": ["caption"]}}, 422),
        ({"content": image(size=(2, 2)), "headers": JPEG}, 500),
    ],
)
def test_errors_have_no_traceback(container, sent, status):
    answer = container.post("/invocations", **sent)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert "secret" not in answer.text


def test_the_routes_are_there_only_where_asked_for(container):
    with fake_service.client() as other:
        assert other.get("/ping").status_code == 404
