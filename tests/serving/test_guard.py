"""Attacks: each finds a service that goes on."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time

import pytest

import fake_service
from fake_service import files, image
from imagist.serving.keys import add_key, revoke_key
from imagist.serving.monitoring import Log


def kind(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["kind"]


def test_a_body_over_the_limit_is_refused_before_it_is_read():
    with fake_service.client(max_body=1000) as client:
        assert kind(client.post("/v1/caption", content=b"x" * 2000)) == (413, "body_too_large")
        chunks = (b"x" * 600 for _ in range(1000))
        answer = client.post("/v1/caption", content=chunks, headers={"Content-Type": "image/png"})
        assert kind(answer) == (413, "body_too_large")
        assert answer.headers["connection"] == "close"
        assert client.post("/v1/caption", files=files(image())).status_code == 200


def test_images_over_the_limits_fail_alone():
    large, wide = image(size=(400, 400), kind="bmp"), image(size=(1500, 1000))
    with fake_service.client(max_image_bytes=100_000, max_megapixels=1) as client:
        records = client.post("/v1/caption", files=files(large, image(), wide)).json()["results"]
        assert [record["error_kind"] for record in records] == ["image_too_large", None, "image_too_large"]
        assert kind(client.post("/v1/caption", files=files(wide))) == (413, "image_too_large")


def test_too_many_bytes_in_flight_are_refused():
    with fake_service.client(max_buffered=1000) as client:
        for _ in range(3):  # and what was refused is given back
            answer = client.post("/v1/caption", content=b"x" * 2000, headers={"Content-Type": "image/png"})
            assert kind(answer) == (503, "too_much_in_flight")
            assert int(answer.headers["retry-after"]) >= 1
        assert client.post("/v1/caption", files=files(image())).status_code == 200


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    return path, add_key(path, "ann"), add_key(path, "ben")


def test_keys_are_asked_for(keys):
    path, ann, ben = keys
    with fake_service.client(keys=path) as client:
        for headers in ({}, {"Authorization": f"Bearer {ann}x"}, {"Authorization": f"Basic {ann}"}, {"X-Api-Key": ""}):
            answer = client.post("/v1/caption", files=files(image()), headers=headers)
            assert kind(answer) == (401, "key_needed")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert client.get("/v1/models").status_code == client.get("/metrics").status_code == 401
        assert client.get("/openapi.json").status_code == 401
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        for headers in ({"Authorization": f"Bearer {ann}"}, {"X-Api-Key": ben}, {"Authorization": f"bearer {ben}"}):
            assert client.post("/v1/caption", files=files(image()), headers=headers).status_code == 200


def test_a_revoked_key_is_refused_while_the_service_runs(keys, monkeypatch):
    monkeypatch.setattr("imagist.serving.keys._LOOK_AGAIN_S", 0)
    path, ann, ben = keys
    with fake_service.client(keys=path) as client:

        def status(key):
            return client.get("/v1/models", headers={"X-Api-Key": key}).status_code

        assert (status(ann), status(ben)) == (200, 200)
        revoke_key(path, "ann")
        assert (status(ann), status(ben)) == (401, 200)
        path.write_text("{")  # a broken file lets nobody in
        assert (status(ann), status(ben)) == (401, 401)
        path.unlink()
        assert status(ben) == 401


def test_images_are_rated_by_key(keys):
    path, ann, ben = keys
    with fake_service.client(keys=path, images_a_minute=4) as client:

        def post(key, count):
            return client.post("/v1/caption", files=files(*[image()] * count), headers={"X-Api-Key": key})

        assert post(ann, 3).status_code == 200
        answer = post(ann, 3)
        assert kind(answer) == (429, "rate_limited")
        assert 20 < int(answer.headers["retry-after"]) <= 32
        assert post(ann, 1).status_code == 200
        assert post(ben, 4).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),  # a name that was made to resolve to this machine
        ({"Host": "localhost.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_sites_may_not_call(client, headers, status):
    answer = client.post("/v1/caption", files=files(image()), headers=headers)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_a_site_that_is_allowed_may_call():
    with fake_service.client(origins=("https://good.example",)) as client:
        allowed = {"Origin": "https://good.example"}
        answer = client.post("/v1/caption", files=files(image()), headers=allowed)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://good.example"
        before = client.options("/v1/caption", headers=allowed)
        assert before.status_code == 204
        assert "POST" in before.headers["access-control-allow-methods"]
        assert client.options("/v1/caption", headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/v1/models"])
def test_every_answer_has_the_headers(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-request-id"]
    assert "server" not in headers


def test_request_ids_are_taken_over_where_they_are_harmless(client):
    def given(text):
        return client.get("/healthz", headers={"X-Request-Id": text}).headers["x-request-id"]

    assert given("job-7.3") == "job-7.3"
    assert given("x" * 65) != "x" * 65
    assert "\n" not in given("a\tb<script>")


def test_the_log_has_no_image_name_or_address(tmp_path):
    stream = io.StringIO()
    with fake_service.client(log=Log(stream)) as client:
        client.post("/v1/caption?nbest=2", files=[("image", ("my-secret.png", image()))])
        client.post("/v1/caption", json={"images": [{"url": "https://secret.example/?token=1"}]})
        client.get("/secret-path")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["status"] for line in lines] == [200, 422, 404]
    assert [line["route"] for line in lines] == ["/v1/caption", "/v1/caption", "other"]
    assert lines[0]["images"] == 1
    assert "secret" not in stream.getvalue()


def test_a_fault_of_the_service_is_logged_and_not_told(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("imagist.serving.routes.record_of", lambda *_: 1 / 0)
    with fake_service.client(log=Log(stream)) as client:
        answer = client.post("/v1/caption", files=files(image()))
    assert kind(answer) == (500, "internal_error")
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in stream.getvalue()


def asgi(app, path, messages, headers=()):
    """Sends a request message by message; each is sent once ``messages`` yields it. Returns the answers' messages."""

    async def body():
        sent, queue = [], asyncio.Queue()

        async def send(message):
            sent.append(message)

        async def feed():
            async for message in messages(sent):
                await queue.put(message)

        scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(),
                 "query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1), "server": None,
                 "headers": [(b"host", b"localhost"), *(headers or [(b"content-type", b"image/png")])]}  # fmt: skip
        feeding = asyncio.create_task(feed())
        await asyncio.wait_for(app(scope, queue.get, send), 20)
        feeding.cancel()
        return sent

    async def lived():
        async with _lifespan(app):
            return await body()

    return asyncio.run(lived())


class _lifespan:
    def __init__(self, app):
        self._app, self._in, self._out = app, asyncio.Queue(), asyncio.Queue()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._app({"type": "lifespan", "state": {}}, self._in.get, self._out.put))
        await self._in.put({"type": "lifespan.startup"})
        assert (await self._out.get())["type"] == "lifespan.startup.complete"

    async def __aexit__(self, *_):
        await self._in.put({"type": "lifespan.shutdown"})
        await self._out.get()
        await self._task


def test_a_body_that_trickles_in_is_given_up():
    async def messages(_):
        while True:
            yield {"type": "http.request", "body": b"x", "more_body": True}
            await asyncio.sleep(0.02)

    began = time.monotonic()
    start, *_ = asgi(fake_service.app(body_timeout_s=0.2), "/v1/caption", messages)
    assert start["status"] == 408
    assert time.monotonic() - began < 15


def test_a_client_that_leaves_costs_nothing():
    captioner = fake_service.FakeCaptioner()
    captioner.go.clear()
    app = fake_service.app(fake_service.model("fake", captioner), batch_size=1)

    async def messages(sent):
        boundary = b"--x\r\nContent-Disposition: form-data; name=images; filename=a.png\r\n\r\n"
        yield {"type": "http.request", "body": (boundary + image() + b"\r\n") * 10 + b"--x--\r\n", "more_body": False}
        while len(captioner.batches) < 2:  # both threads of the model are busy, eight images wait
            await asyncio.sleep(0.005)
        yield {"type": "http.disconnect"}
        threading.Timer(0.2, captioner.go.set).start()

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    start, *_ = asgi(app, "/v1/caption", messages, headers)
    assert start["status"] == 499
    assert captioner.batches == [1, 1]
