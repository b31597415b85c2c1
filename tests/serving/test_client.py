"""The client against a service in this process."""

from __future__ import annotations

import httpx2
import pytest

import fake_service
import imagist
from fake_service import image
from imagist.serving import client as module
from imagist.serving.client import ServiceError
from imagist.serving.keys import add_key


class Relay(httpx2.BaseTransport):
    """Hands requests to a test client; answers the first with what it is given."""

    def __init__(self, to, *first):
        self.to, self.first, self.seen = to, list(first), []

    def handle_request(self, request):
        self.seen.append(request)
        if self.first:
            answer = self.first.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        found = self.to.request(request.method, request.url.path, content=request.read(), headers=headers)
        return httpx2.Response(found.status_code, headers=found.headers, content=found.content)


@pytest.fixture
def calls(client, monkeypatch):
    """Opens a client over the service; it waits no time."""
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)

    def open_(*first, to=client, **options):
        made = imagist.Client(transport=Relay(to, *first), **options)
        made.waits, made.relay = waits, made._http._transport
        return made

    return open_


def test_records_are_in_order_whatever_fails(calls, tmp_path):
    (tmp_path / "a.png").write_bytes(image(1))
    paths = [tmp_path / "a.png", tmp_path / "missing.png", image(2), b"hello", str(tmp_path / "a.png")]
    with calls(batch_size=2, concurrency=2) as client:
        records = list(client.classify(paths, weight=0.5))
    assert [record["error_kind"] for record in records] == [None, "source_not_found", None, "unknown_format", None]
    assert records[0]["source"] == str(tmp_path / "a.png")
    assert records[0]["caption"].endswith(" 1")
    assert len({str(record["probabilities"]) for record in records if not record["error_kind"]}) == 2


def test_one_image_alone_and_none_at_all(calls):
    with calls() as client:
        assert next(client.caption(image(7)))["caption"].endswith(" 7")
        assert list(client.caption([])) == []
        assert next(client.describe(image(), detail=0, region=[0, 0, 1, 0.5]))["description"]
        assert next(client.explain(image(), grid=1))["explanation"]["cells"]
        assert client.models()[0]["name"] == "fake"


def test_images_are_taken_as_they_are_needed(calls):
    taken = []
    many = (taken.append(number) or image() for number in range(1000))
    with calls(batch_size=2, concurrency=2) as client:
        found = client.caption(many)
        next(found)
        found.close()
    assert len(taken) <= 8


def test_a_busy_service_is_asked_again(calls):
    busy = [httpx2.Response(503, headers={"Retry-After": "7"}), httpx2.Response(429), httpx2.ConnectError("no")]
    with calls(*busy) as client:
        assert next(client.caption(image()))["caption"]
        assert client.waits == [7.0, 1.0, 2.0]
        assert len(client.relay.seen) == 4


def test_what_does_not_pass_is_an_error(calls):
    with calls(*[httpx2.Response(503)] * 3, retries=2) as client, pytest.raises(ServiceError, match="503"):
        next(client.caption(image()))
    with (
        calls(*[httpx2.ConnectError("refused")] * 2, retries=1) as client,
        pytest.raises(ServiceError, match="refused"),
    ):
        client.models()
    with calls() as client:
        with pytest.raises(ServiceError, match="weight") as caught:
            next(client.classify(image(), weight=3))
        assert caught.value.status == 422
        assert isinstance(caught.value, imagist.ImagistError)
    with pytest.raises(imagist.UsageError):
        imagist.Client(batch_size=0)


def test_a_key_is_sent(calls, tmp_path):
    key = add_key(tmp_path / "keys.json", "ann")
    with fake_service.client(keys=tmp_path / "keys.json") as service:
        with calls(to=service, key=key) as client:
            assert client.models()
        with calls(to=service) as client, pytest.raises(ServiceError, match="key"):
            client.models()


def test_classified_images_are_profiled(calls, tmp_path):
    calling = calls()
    images = [image(200), image(20), tmp_path / "missing.png"]
    posts = [record | {"account": "ann"} for record in calling.classify(images)]
    found = calling.profiles(posts, with_posts=True)
    (account,) = found["accounts"]
    assert (account["account"], account["failed"], account["images"]) == ("ann", 1, 2)
    with pytest.raises(ServiceError, match="no label"):
        calling.profiles(posts, rank="nothing")
