"""Nothing but public addresses is connected to, whatever a name resolves to and wherever a server points."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imagist.errors import FetchFailed
from imagist.images import fetch, public
from imagist.images.public import is_public


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("127.0.0.1", False),
        ("127.255.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b::169.254.169.254", False),
    ],
)
def test_which_addresses_are_public(address, expected):
    assert is_public(address) is expected


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.seen.append(self.path)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/secret")
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"secret")


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.seen = []
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def names(monkeypatch):
    """``{name: addresses}``; a name that was looked up loses its first list of addresses if it has several."""
    known = {}
    original = socket.getaddrinfo

    def look_up(host, port, *args, **options):
        if host not in known:
            return original(host, port, *args, **options)
        lists = known[host]
        addresses = lists.pop(0) if len(lists) > 1 else lists[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"]
)
def test_this_machine_is_refused_by_any_of_its_names(server, host):
    with pytest.raises(FetchFailed, match=r"not a public address|no address"):
        fetch(f"http://{host}:{server.server_port}/secret", deadline_s=5, public_only=True)
    assert server.seen == []
    assert fetch(f"http://127.0.0.1:{server.server_port}/secret") == b"secret"  # unless it may be


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"]])
def test_a_name_of_a_private_address_is_refused(names, addresses):
    names["attacker.example"] = [addresses]
    with pytest.raises(FetchFailed, match="not a public address"):
        fetch("http://attacker.example/", deadline_s=5, public_only=True)


def test_what_was_checked_is_connected_to(server, names, monkeypatch):
    """A name that is public when it is checked, and this machine when it is asked again, does not get here."""
    names["rebinding.example"] = [["127.0.0.2"], ["127.0.0.1"]]
    monkeypatch.setattr(public, "is_public", lambda address: address == "127.0.0.2")
    with pytest.raises(FetchFailed):
        fetch(f"http://rebinding.example:{server.server_port}/secret", deadline_s=5, public_only=True)
    assert server.seen == []


def test_a_redirect_to_a_private_address_is_refused(server, names, monkeypatch):
    names["public.example"] = [["127.0.0.1"]]
    checked = []
    monkeypatch.setattr(public, "is_public", lambda address: checked.append(address) or len(checked) == 1)
    with pytest.raises(FetchFailed, match="not a public address"):
        fetch(f"http://public.example:{server.server_port}/away", deadline_s=5, public_only=True)
    assert server.seen == ["/away"]


def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(FetchFailed, match="not a public address"):
        fetch("http://127.0.0.1/", deadline_s=5, public_only=True)
    assert server.seen == []
