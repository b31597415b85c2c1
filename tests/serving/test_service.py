"""Queues: full, slow, and shared between large and small requests."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import fake_service
from fake_service import files, image


@pytest.fixture
def slow():
    """A captioner that waits."""
    captioner = fake_service.FakeCaptioner()
    captioner.go.clear()
    yield captioner
    captioner.go.set()


def until(condition):
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.002)


def test_a_full_queue_refuses_at_once(slow):
    settings = {"max_queue": 4, "max_images": 4, "batch_size": 1}
    with fake_service.client(fake_service.model("m", slow), **settings) as client, ThreadPoolExecutor() as pool:
        first = pool.submit(client.post, "/v1/caption", files=files(*[image()] * 3))
        until(lambda: slow.batches)
        answer = client.post("/v1/caption", files=files(image(), image()))
        assert (answer.status_code, answer.json()["kind"]) == (503, "queue_full")
        assert int(answer.headers["retry-after"]) >= 1
        last = pool.submit(client.post, "/v1/caption", files=files(image()))
        slow.go.set()
        assert first.result().status_code == last.result().status_code == 200


def test_a_deadline_that_passes_costs_the_images_it_did_not_suffice_for(slow):
    with fake_service.client(fake_service.model("m", slow), batch_size=1) as client:
        answer = client.post("/v1/caption", files=files(image(), image()), data={"timeout_s": "1"})
        assert (answer.status_code, answer.json()["kind"]) == (503, "deadline_passed")
        assert "retry-after" in answer.headers
        slow.go.set()
        assert client.post("/v1/caption", files=files(image())).status_code == 200


def test_no_deadline_is_longer_than_the_service_allows(slow):
    with fake_service.client(fake_service.model("m", slow), timeout_s=0.2) as client:
        answer = client.post("/v1/caption", files=files(image()), data={"timeout_s": "1000"})
        assert answer.status_code == 503
        slow.go.set()


def test_a_small_request_does_not_wait_for_a_large_one(slow):
    done = []
    with fake_service.client(fake_service.model("m", slow), batch_size=1) as client:

        def post(name, count):
            assert client.post("/v1/caption", files=files(*[image()] * count)).status_code == 200
            done.append((name, sum(slow.batches)))

        large = threading.Thread(target=post, args=("large", 40))
        large.start()
        until(lambda: slow.batches)
        small = threading.Thread(target=post, args=("small", 1))
        small.start()
        until(lambda: "imagist_queue_depth 41.0" in client.get("/metrics").text)
        slow.go.set()
        large.join()
        small.join()
    assert [name for name, _ in done] == ["small", "large"]
    assert done[0][1] <= 20


def test_requests_share_batches(slow):
    with fake_service.client(fake_service.model("m", slow), batch_size=8) as client, ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(client.post, "/v1/caption", files=files(image(n))) for n in range(12)]
        until(lambda: "imagist_queue_depth 12.0" in client.get("/metrics").text)
        slow.go.set()
        for number, answer in enumerate(answers):
            (record,) = answer.result().json()["results"]
            assert record["caption"].endswith(f" {number}")
    assert max(slow.batches) > 1
