import contextlib
import gzip
import socket
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imagist import __version__
from imagist.errors import FetchFailed, ImageTooLarge
from imagist.images import DecodeLimits, fetch
from imagist.images.addresses import is_url
from imagist.images.hosts import Hosts

BODY = b"image " * 20_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _start(self, status=200, **headers):
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_GET(self):
        self.server.tries += 1
        name = self.path.strip("/").split("?")[0]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"get_{name}", self.get_other)()

    def get_other(self):
        self.server.seen.append(self)
        self._start(Content_Length=len(BODY))
        self.wfile.write(BODY)

    def _busy_once(self, status=503, **headers):
        if self.server.tries > 1:
            self.get_other()
        else:
            self._start(status, Content_Length=0, **headers)

    def get_busy(self):
        self._busy_once()

    def get_later(self):
        self._busy_once(429, Retry_After="0")

    def get_laterdate(self):
        self._busy_once(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")

    def get_notnow(self):
        self._start(429, Content_Length=0, Retry_After="100")

    def get_neverfree(self):
        self._start(503, Content_Length=0)

    def get_cut(self):
        self.get_other() if self.server.tries > 1 else self.get_short()

    def _packed(self, encoding, content):
        self._start(Content_Length=len(content), Content_Encoding=encoding)
        self.wfile.write(content)

    def get_gzip(self):
        self._packed("gzip", gzip.compress(BODY))

    def get_deflate(self):
        self._packed("deflate", zlib.compress(BODY))

    def get_rawdeflate(self):
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self._packed("deflate", packer.compress(BODY) + packer.flush())

    def get_twice(self):
        self._packed("gzip, gzip", gzip.compress(gzip.compress(BODY)))

    def get_parts(self):
        self._packed("gzip", gzip.compress(BODY[:99]) + gzip.compress(BODY[99:]))

    def get_storedpacked(self):
        self._packed("identity", gzip.compress(BODY))

    def get_falselypacked(self):
        self._packed("gzip", BODY)

    def get_brotli(self):
        self._packed("br", BODY)

    def get_oftenpacked(self):
        self._packed("gzip" + ", gzip" * 3, gzip.compress(BODY))

    def get_halfpacked(self):
        self._packed("gzip", gzip.compress(BODY)[:-20])

    def get_chunked(self):
        self._start(Transfer_Encoding="chunked")
        for at in range(0, len(BODY), 50_000):
            part = BODY[at : at + 50_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def get_missing(self):
        self.send_error(404)

    def get_short(self):
        self._start(Content_Length=len(BODY) * 2)
        self.wfile.write(BODY)

    def get_endless(self):
        self._start()
        while True:
            self.wfile.write(BODY)

    def get_vast(self):
        self._start(Content_Length=1 << 40)
        self.server.release.wait(30)

    def get_silent(self):
        self.server.release.wait(30)

    def get_dripping(self):
        self._start(Content_Length=1000)
        while not self.server.release.wait(0.02):
            self.wfile.write(b".")
            self.wfile.flush()

    def get_dripping_without_length(self):
        self._start()
        while not self.server.release.wait(0.02):
            self.wfile.write(b".")
            self.wfile.flush()

    def get_dripping_headers(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not self.server.release.wait(0.02):
            self.wfile.write(b".")
            self.wfile.flush()

    def get_junk(self):
        self.wfile.write(b"\x00\x01 not http\r\n\r\n")

    def get_moved(self):
        self._start(302, Location="/there", Content_Length=0)

    def get_loop(self):
        self._start(302, Location="/loop", Content_Length=0)

    def get_tofile(self):
        self._start(302, Location="file:///etc/hostname", Content_Length=0)

    def get_toftp(self):
        self._start(302, Location="ftp://127.0.0.1/a.jpg", Content_Length=0)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(sys.modules["imagist.images.fetch"], "FIRST_WAIT_S", 0.01)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = False
    httpd.seen, httpd.release, httpd.tries = [], threading.Event(), 0
    httpd.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield httpd
    httpd.release.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["there", "chunked", "moved"])
def test_what_is_delivered(server, path):
    assert fetch(f"{server.url}/{path}") == BODY


@pytest.mark.parametrize("path", ["busy", "cut", "later", "laterdate"])
def test_who_is_busy_is_asked_again(server, path):
    assert fetch(f"{server.url}/{path}") == BODY
    assert server.tries == 2


def test_who_stays_busy_is_given_up(server):
    with pytest.raises(FetchFailed, match="HTTP 503 Service Unavailable"):
        fetch(f"{server.url}/neverfree")
    assert server.tries == 3


def test_a_host_that_asks_for_time_gets_it_beside_the_deadline(server, monkeypatch):
    slept = []
    monkeypatch.setattr(sys.modules["imagist.images.fetch"], "HOSTS", Hosts(sleep=slept.append))
    with pytest.raises(FetchFailed, match="429"):
        fetch(f"{server.url}/notnow", DecodeLimits(patience_s=200), deadline_s=2)
    assert server.tries == 3
    assert [round(seconds / 100) for seconds in slept] == [1, 1]


def test_what_fails_for_good_is_not_asked_again(server):
    with pytest.raises(FetchFailed):
        fetch(f"{server.url}/missing")
    assert server.tries == 1


@pytest.mark.parametrize("path", ["gzip", "deflate", "rawdeflate", "twice", "parts", "storedpacked", "falselypacked"])
def test_a_body_that_is_packed_unasked_is_unpacked(server, path):
    assert fetch(f"{server.url}/{path}") == BODY


@pytest.mark.parametrize("path", ["gzip", "twice", "parts", "rawdeflate"])
def test_a_packed_body_that_is_vast_is_not_unpacked(server, path):
    with pytest.raises(ImageTooLarge):
        fetch(f"{server.url}/{path}", DecodeLimits(max_bytes=100_000))


def test_ampersands_as_pages_write_them(server):
    fetch(f"{server.url}/a?b=1&amp;c=2&#38;copy=3&#x26;d=4&AMP;e=5&amp;amp;f=6&amplitude=7")
    assert server.seen[0].path == "/a?b=1&c=2&copy=3&d=4&e=5&f=6&amplitude=7"


def test_who_asks(server):
    fetch(f"{server.url}/a")
    assert server.seen[0].headers["User-Agent"] == f"imagist/{__version__}"
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


def test_spaces_and_letters_of_other_alphabets_are_encoded(server):
    fetch(f"{server.url}/für dich/%41.jpg?a=ü b#part")
    assert server.seen[0].path == "/f%C3%BCr%20dich/%41.jpg?a=%C3%BC%20b"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "HTTP 404 Not Found"),
        ("oftenpacked", "the body is packed 4 times"),
        ("short", r"complete message body.*; 120,000 of 240,000 bytes came"),
        ("junk", "illegal status line"),
        ("loop", "more than 10 redirects"),
        ("tofile", "protocol"),
        ("toftp", "protocol"),
        ("brotli", "packed by br, which is not read"),
        ("halfpacked", "cut short"),
        ("notnow", "HTTP 429 Too Many Requests, to be asked again after 100 s"),
    ],
)
def test_what_is_not_delivered(server, path, message):
    url = f"{server.url}/{path}"
    with pytest.raises(FetchFailed, match=message) as caught:
        fetch(url)
    assert caught.value.item == url


@pytest.mark.parametrize("path", ["there", "chunked", "endless", "vast"])
def test_too_many_bytes_whatever_is_announced(server, path):
    with pytest.raises(ImageTooLarge, match="MiB") as caught:
        fetch(f"{server.url}/{path}", DecodeLimits(max_bytes=100_000))
    assert caught.value.item == f"{server.url}/{path}"


def test_each_read_has_its_time(server):
    with pytest.raises(FetchFailed, match="timed out"):
        fetch(f"{server.url}/silent", timeout_s=0.1)


@pytest.mark.parametrize("path", ["dripping", "dripping_headers"])
def test_the_whole_has_its_time(server, path):
    with pytest.raises(FetchFailed, match="timed out"):
        fetch(f"{server.url}/{path}", deadline_s=0.3)


def test_a_body_that_ends_at_the_deadline_is_not_taken_for_a_whole_one(server):
    with pytest.raises(FetchFailed, match="timed out"):
        fetch(f"{server.url}/dripping_without_length", deadline_s=0.3)


def test_time_is_spent_before_it_begins(server):
    with pytest.raises(FetchFailed, match="timed out"):
        fetch(f"{server.url}/there", deadline_s=-1)


def test_no_timer_outlives_its_download(server):
    fetch(f"{server.url}/moved")
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(FetchFailed, match="refused"):
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/a.jpg")


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://a:port/", "http://a b/", "http://" + "x" * 300 + "/", "ftp://a/b", "a.jpg"],
)
def test_what_is_no_address(url):
    with pytest.raises(FetchFailed):
        fetch(url)


def test_connections_are_closed(server, recwarn):
    for path in ("there", "missing", "short"):
        with contextlib.suppress(FetchFailed):
            fetch(f"{server.url}/{path}")
    time.sleep(0)
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]


def test_addresses():
    assert is_url("http://a/b")
    assert is_url("HTTPS://a/b")
    assert not any(is_url(source) for source in ("a.jpg", "ftp://a", "file:///a", "http:/a", ""))
