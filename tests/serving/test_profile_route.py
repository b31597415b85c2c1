"""What accounts post about, over HTTP."""

from __future__ import annotations

import base64

import pytest

import fake_service
from fake_service import image

RECORDS = [
    {"account": name, "source": f"{name}{i}.jpg", "probabilities": {"cat": p, "food": 1 - p}, "label": "let through"}
    for name, p in (("ann", 0.9), ("bob", 0.1))
    for i in range(5)
]


@pytest.fixture(scope="module")
def client():
    with fake_service.client(max_images=4, images_a_minute=6) as opened:
        yield opened


def answer(client, status=200, **body):
    found = client.post("/v1/profiles", json=body)
    assert found.status_code == status, found.text
    return found.json()


def test_records_become_accounts(client):
    found = answer(client, posts=RECORDS, rank="food", prior={"cat": 0.5, "food": 0.5})
    assert [each["account"] for each in found["accounts"]] == ["bob", "ann"]
    assert found["accounts"][0]["leading"] == "food"
    assert found["accounts"][0]["posts"] == 5
    assert found["accounts"][0]["low_food"] < found["accounts"][0]["share_food"] < found["accounts"][0]["high_food"]
    assert (found["model"], found["failed"]) == (None, [])
    assert "posts" not in found
    with_posts = answer(client, posts=RECORDS, with_posts=True)
    assert len(with_posts["posts"]) == 10
    assert with_posts["posts"][0]["post"] == "ann0.jpg"


def test_the_board_is_a_page(client):
    found = client.post("/v1/profiles", json={"posts": RECORDS}, headers={"Accept": "text/html"})
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/html")
    assert found.text.count("<article") == 2


def test_images_are_classified_and_copies_count_once(client):
    post = {"account": "ann", "data": base64.b64encode(image()).decode()}
    broken = {"account": "ann", "data": base64.b64encode(image()[:60]).decode(), "source": "broken.jpg"}
    found = answer(client, posts=[post, post, broken])
    assert found["model"] == "fake"
    (account,) = found["accounts"]
    assert (account["posts"], account["near_duplicates"], account["failed"]) == (1, 1, 1)
    assert [each["source"] for each in found["failed"]] == ["broken.jpg"]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 422, "invalid_options"),
        ({"posts": []}, 422, "invalid_options"),
        ({"posts": [{"account": "ann"}]}, 422, "invalid_options"),
        ({"posts": [{"account": "ann", "data": "%"}]}, 422, "invalid_options"),
        ({"posts": [{"account": "ann", "url": "https://x.y/z", "data": "QQ=="}]}, 422, "invalid_options"),
        ({"posts": [{"account": "ann", "url": "https://x.y/z"}]}, 422, "urls_disabled"),
        ({"posts": [{"account": "ann", "probabilities": {"cat": 2.0}}]}, 422, "invalid_options"),
        ({"posts": RECORDS, "rank": "dog"}, 422, "usage_error"),
        ({"posts": RECORDS, "prior": {"cat": 1.0}}, 422, "usage_error"),
        ({"posts": RECORDS, "model": "none", "else": 1}, 422, "invalid_options"),
        ({"posts": [{"account": "ann", "data": "QQ=="}] * 5}, 413, "too_many_images"),
        ({"posts": [{"account": "ann", "data": "QQ=="}] * 4}, 429, "rate_limited"),
    ],
)
def test_what_cannot_be_profiled(client, body, status, kind):
    assert answer(client, status, **body)["kind"] == kind


def test_it_is_described(client):
    described = client.get("/openapi.json").json()["paths"]["/v1/profiles"]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["posts"]["items"]["required"] == ["account"]
    assert answer(client, **described["requestBody"]["content"]["application/json"]["example"])["accounts"]
