"""What clients send, and what they get."""

from __future__ import annotations

import base64
import json
import re

import pytest

import fake_service
from fake_service import files, image
from imagist.images.photo import as_photo
from imagist.matching.phrases import PhraseTables
from imagist.records import Row
from imagist.records.flat import INTERROGATION_FIELDS, PREDICTION_FIELDS

BROKEN = image()[:60]
CUT = b"--y\r\nContent-Disposition: form-data; name=images; filename=a\r\n\r\n" + image()


def body(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def problem(answer, status, kind):
    found = body(answer, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (found["kind"], found["status"], found["type"]) == (kind, status, f"urn:imagist:problem:{kind}")
    assert found["detail"]
    assert found["title"]
    return found


def test_the_record_is_that_of_tables(client):
    content = image()
    (record,) = body(client.post("/v1/classify", files=files(content)))["results"]
    (prediction,) = fake_service.pipeline().predict([as_photo(Row("0.png", content))])
    assert record == json.loads(json.dumps(prediction.to_dict()))
    assert list(record) == ["source", *PREDICTION_FIELDS, "error_kind", "error_message"]


def test_results_are_in_order_and_a_bad_image_spoils_nothing(client):
    contents = [image(10), b"hello", image(20), BROKEN, image(30)]
    answer = body(client.post("/v1/caption", files=files(*contents)))
    assert answer["model"] == "fake"
    captions = [record.get("caption") for record in answer["results"]]
    assert [caption and caption.split()[-1] for caption in captions] == ["10", None, "20", None, "30"]
    kinds = [record["error_kind"] for record in answer["results"]]
    assert kinds == [None, "unknown_format", None, "corrupt_image", None]


@pytest.mark.parametrize(
    "sent",
    [
        {"files": [("image", ("a.png", image(), "image/png"))]},
        {"files": [("images", ("a.png", image(), "text/plain"))]},  # the type is sniffed, not believed
        {"json": {"image": base64.b64encode(image()).decode()}},
        {"json": {"images": [{"data": base64.b64encode(image()).decode(), "name": "a.png"}]}},
        {"json": {"images": ["data:image/png;base64," + base64.b64encode(image()).decode()]}},
        {"content": image(), "headers": {"Content-Type": "image/jpeg"}},
        {"content": image(), "headers": {"Content-Type": "application/octet-stream"}},
    ],
)
def test_images_come_in_many_forms(client, sent):
    (record,) = body(client.post("/v1/caption", **sent))["results"]
    assert record["caption"].endswith(" 200")


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [(b"hello", 415, "unknown_format"), (BROKEN, 422, "corrupt_image"), (b"", 422, "empty_file")],
)  # fmt: skip
def test_without_any_result_the_answer_is_a_problem(client, content, status, kind):
    found = problem(client.post("/v1/classify", files=files(content)), status, kind)
    (record,) = found["results"]
    assert (record["source"], record["error_kind"]) == ("0.png", kind)


def test_what_the_model_raised_is_not_told(client):
    found = problem(client.post("/v1/caption", files=files(image(size=(2, 2)))), 500, "model_failed")
    assert "secret" not in json.dumps(found)
    answer = body(client.post("/v1/caption", files=files(image(size=(2, 2)), image())))
    assert [record["error_kind"] for record in answer["results"]] == ["model_failed", None]


def test_options_are_as_on_the_command_line(client):
    sent = {"files": files(image()), "data": {"nbest": "3", "attention": "true", "abstain_below": "1"}}
    (record,) = body(client.post("/v1/classify", **sent))["results"]
    assert record["label"] is None
    assert [len(each["text"].split()) for each in record["nbest"]] == [7, 9, 11]
    assert [each["word"] for each in record["attention"]] == record["caption"].split()
    assert sum(map(sum, record["attention"][0]["map"])) == pytest.approx(1, abs=0.01)
    (record,) = body(client.post("/v1/classify?weight=1", files=files(image())))["results"]
    assert record["label"] == record["text_label"]
    (record,) = body(client.post("/v1/classify", json={"image": _text(), "weight": 0}))["results"]
    assert record["probabilities"] == record["image_probabilities"]


def _text():
    return base64.b64encode(image()).decode()


def test_descriptions_and_explanations(client):
    sent = {"files": files(image()), "data": {"detail": "2", "region": "0,0,0.5,1", "language": "de"}}
    (record,) = body(client.post("/v1/describe", **sent))["results"]
    assert record["description"]
    assert record["sentences"][0]["box"][2] < 0.6
    (record,) = body(client.post("/v1/explain", files=files(image()), data={"grid": "2"}))["results"]
    found = record["explanation"]
    assert [len(row) for row in found["cells"]] == [2, 2]
    assert found["category"] == record["label"]
    assert {"white", "dog", "street"} <= {word["word"] for word in found["words"]}


def test_interrogations(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with fake_service.client(fake_service.model(matcher=fake_service.ByLength())) as client:
        sent = {"files": files(image()), "data": {"max_phrases": "3"}}
        (record,) = body(client.post("/v1/interrogate", **sent))["results"]
        assert list(record) == ["source", *INTERROGATION_FIELDS, "error_kind", "error_message"]
        assert record["interrogation"].startswith("a white dog")
        assert len(record["phrases"]) == 3
        (record,) = body(client.post("/v1/interrogate", json={"image": _text(), "mode": "tags"}))["results"]
        assert record["caption"] is None


def test_interrogations_have_the_phrases_of_the_service(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = fake_service.model(matcher=fake_service.ByLength())
    model.tables = PhraseTables({"flavors": ("at night", "from above")})
    with fake_service.client(model) as client:
        (record,) = body(client.post("/v1/interrogate", files=files(image())))["results"]
    assert {phrase["text"] for phrase in record["phrases"]} <= {"at night", "from above"}
    assert record["phrases"]


def test_interrogations_need_a_matcher(client):
    assert "matcher" in problem(client.post("/v1/interrogate", files=files(image())), 422, "usage_error")["detail"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"weight": "2"}, "weight"),
        ({"nbest": "0"}, "nbest"),
        ({"nbest": "six"}, "nbest"),
        ({"colour": "red"}, "colour"),
        ({"timeout_s": "-1"}, "timeout_s"),
        ({"labels": "a, ,b"}, "labels"),
        ({"weight": "nan"}, "weight"),
    ],
)
def test_wrong_options_are_named(client, data, told):
    found = problem(client.post("/v1/classify", files=files(image()), data=data), 422, "invalid_options")
    assert told in found["detail"]
    assert found["faults"][0]["option"].startswith(told)


def test_all_wrong_options_are_reported_at_once(client):
    found = problem(client.post("/v1/classify?weight=2&nbest=0", files=files(image())), 422, "invalid_options")
    assert len(found["faults"]) == 2


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("classify", {"model": "other"}, "unknown_name"),
        ("classify", {"taxonomy": "sns4"}, "unknown_name"),
        ("classify", {"taxonomy": "../../secret.toml"}, "unknown_name"),
        ("classify", {"labels": "cat,bird"}, "usage_error"),  # no matcher
        ("classify", {"labels": "/etc/labels.toml"}, "usage_error"),  # not read as a file
        ("caption", {"language": "fr"}, "usage_error"),
        ("describe", {"region": "0.5,0,0.5,1"}, "usage_error"),
    ],
)
def test_options_that_do_not_fit_the_model(client, path, data, kind):
    problem(client.post(f"/v1/{path}", files=files(image()), data=data), 422, kind)


@pytest.mark.parametrize(
    ("sent", "status", "kind"),
    [
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "malformed_json"),
        ({"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400, "malformed_json"),
        ({"content": b"[]", "headers": {"Content-Type": "application/json"}}, 422, "invalid_options"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "malformed_form"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 400, "malformed_form"),
        (
            {"content": b"--y\r\n\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
            400,
            "malformed_form",
        ),
        ({"content": CUT, "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 400, "malformed_form"),
        ({"content": b"x", "headers": {"Content-Type": "text/html"}}, 415, "unsupported_media_type"),
        ({"content": b""}, 415, "unsupported_media_type"),
        ({"json": {}}, 422, "no_images"),
        ({"json": {"image": 3}}, 422, "invalid_options"),
        ({"json": {"image": "***"}}, 422, "invalid_options"),
        ({"json": {"image": {"data": "aaaa", "path": "/etc/passwd"}}}, 422, "invalid_options"),
        ({"json": {"image": {"url": "http://example.org/a.png"}}}, 422, "urls_disabled"),
        ({"json": {"image": {"url": "file:///etc/passwd"}}}, 422, "invalid_options"),
        ({"data": {"url": "http://example.org/a.png"}, "files": {"x": b""}}, 422, "invalid_options"),
        ({"data": {"image": "a text"}, "files": {"images": b"x"}}, 422, "invalid_options"),
        ({"json": {"images": [""] * 65}}, 413, "too_many_images"),
        ({"files": files(*[b"x"] * 66)}, 413, "too_many_images"),
    ],
)
def test_bodies_that_cannot_be_used(client, sent, status, kind):
    problem(client.post("/v1/classify", **sent), status, kind)


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/nothing", 404), ("get", "/v1/classify", 405)])
def test_other_routes_are_problems_too(client, method, path, status):
    problem(getattr(client, method)(path), status, {404: "not_found", 405: "method_not_allowed"}[status])


def test_models_are_chosen_by_name():
    with fake_service.client(fake_service.model("one"), fake_service.model("two")) as client:
        listed = client.get("/v1/models").json()
        assert [each["name"] for each in listed["models"]] == ["one", "two"]
        assert listed["models"][0]["labels"] == ["cat", "dog", "car"]
        assert listed["models"][0]["fusion"] == {"kind": "score", "weight": 0.25, "temperatures": [1, 2, 1]}
        assert listed["limits"]["urls"] is False
        for name in ("two", "one"):
            assert body(client.post("/v1/caption", files=files(image()), data={"model": name}))["model"] == name


def test_names_are_kept_short_and_clean(client):
    (record,) = body(client.post("/v1/caption", files=[("image", ("a\x07b" * 200 + ".png", image()))]))["results"]
    assert re.fullmatch(r"[ab%07.pngx]{1,200}", record["source"])


def test_probes_and_counters(client):
    client.post("/v1/caption", files=files(image(), b"x"))
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    text = client.get("/metrics").text
    for name in (
        'imagist_requests_total{route="/v1/caption",status="200"}',
        'imagist_image_errors_total{kind="unknown_format"}',
        'imagist_request_seconds_bucket{le="0.1",route="/v1/caption"}',
        'imagist_stage_seconds_count{stage="decode"}',
        "imagist_batch_size_count",
        "imagist_queue_depth 0.0",
    ):
        assert name in text


def test_the_description_is_openapi_with_examples(client):
    found = client.get("/openapi.json").json()
    assert found["openapi"].startswith("3.")
    post = found["paths"]["/v1/classify"]["post"]
    assert {"multipart/form-data", "application/json"} <= {*post["requestBody"]["content"]}
    example = post["requestBody"]["content"]["application/json"]["example"]
    assert body(client.post("/v1/classify", json=example))["results"][0]["caption"]
    results = post["responses"]["200"]["content"]["application/json"]["example"]["results"]
    assert {*results[0]} >= {*PREDICTION_FIELDS}
    assert "application/problem+json" in post["responses"]["422"]["content"]
