"""A server as a process: it drains on SIGTERM, and outlives slow and greedy clients."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

import fake_service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals")
TESTS = Path(__file__).parents[1]
PROGRAM = """
import sys, time
import fake_service
from imagist.serving import server
from imagist.serving.monitoring import Log
captioner = fake_service.FakeCaptioner()
caption = captioner.caption
captioner.caption = lambda photos: time.sleep(0.3) or caption(photos)
server.HEADER_S = 1.0
app = fake_service.app(fake_service.model("m", captioner), batch_size=2, body_timeout_s=5, log=Log())
server.serve(app, "127.0.0.1", 0)
"""


@pytest.fixture
def server():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    made = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True, env=environment)
    line = made.stderr.readline()
    found = re.search(r"http://127.0.0.1:(\d+)$", line.strip())
    assert found, line + made.stderr.read()
    made.port = int(found[1])
    made.lines = []
    reading = threading.Thread(target=lambda: made.lines.extend(made.stderr))
    reading.start()
    yield made
    made.kill()
    made.wait()
    reading.join()
    made.stderr.close()


def caption(server, count=1):
    url = f"http://127.0.0.1:{server.port}/v1/caption"
    return httpx2.post(url, files=fake_service.files(*[fake_service.image()] * count), timeout=60)


@pytest.fixture
def files():
    """Lets this process open many files."""
    import resource

    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("too few files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def depth(server):
    text = httpx2.get(f"http://127.0.0.1:{server.port}/metrics").text
    return float(re.search(r"^imagist_queue_depth (.*)$", text, re.MULTILINE)[1])


def test_what_was_accepted_is_answered_after_sigterm(server):
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(caption, server, 4) for _ in range(4)]
        ends = time.monotonic() + 30
        while depth(server) < 8:
            assert time.monotonic() < ends
        server.send_signal(signal.SIGTERM)
        accepted = [answer.result() for answer in answers if answer.exception() is None]
    assert [answer.status_code for answer in accepted] == [200] * len(accepted)
    assert len(accepted) >= 2
    assert accepted[-1].headers["connection"] == "close"  # so that nothing more is sent on it
    assert server.wait(60) == 0
    with pytest.raises(httpx2.ConnectError):
        caption(server)


def test_a_thousand_connections_without_a_request_do_not_hold_it_up(server, files):
    held = []
    try:
        for _ in range(1200):
            held.append(socket.create_connection(("127.0.0.1", server.port)))
            held[-1].sendall(b"POST /v1/caption HTTP/1.1\r\nHost: loc")
        assert caption(server).status_code == 200
        for each in held[:50]:  # those that waited longest had to go
            each.settimeout(30)
            with contextlib.suppress(ConnectionResetError):
                assert each.recv(100) == b""
        assert caption(server).status_code == 200
    finally:
        for each in held:
            each.close()


def test_slow_and_greedy_clients_do_not_hold_it_up(server):
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for each in slow:
        each.sendall(b"POST /v1/caption HTTP/1.1\r\nHost: loc")
    with socket.create_connection(("127.0.0.1", server.port)) as greedy:
        head = b"POST /v1/caption HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        greedy.sendall(head + b"Content-Length: 2000000000\r\n\r\n")
        assert greedy.recv(100).startswith(b"HTTP/1.1 413")
    assert caption(server).status_code == 200
    for each in slow:  # their headers do not come, so the server hangs up
        each.settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            assert each.recv(100) == b""
        each.close()
    assert caption(server).status_code == 200
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
    assert {json.loads(line)["status"] for line in server.lines} == {200, 413}
