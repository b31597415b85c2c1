"""Images over http(s), bounded in bytes and in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from imagist import __version__
from imagist.errors import FetchFailed
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits

if TYPE_CHECKING:
    import ssl

    import httpx2

MAX_REDIRECTS = 10
_HEADERS = {"User-Agent": f"imagist/{__version__}", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


def fetch(
    url: str, limits: DecodeLimits = DEFAULT_LIMITS, timeout_s: float = 10.0, *, deadline_s: float = 30.0
) -> bytes:
    """Downloads one image, without retries.

    Args:
        url: An http or https address. It may redirect to such addresses only, `MAX_REDIRECTS` times at most.
        limits: ``max_bytes`` holds while the body is read, whatever length the server announces.
        timeout_s: Longest wait for the connection and for each read, in seconds.
        deadline_s: Longest time in all, redirects included, in seconds. Only the look-up of the host's name, which
            cannot be interrupted, is not bounded by it.

    Raises:
        FetchFailed: No answer, a status other than 2xx, or an incomplete body; the message has status and reason.
        ImageTooLarge: Over ``limits.max_bytes``.
    """
    import httpx2

    ends = time.monotonic() + deadline_s
    spent = f"timed out ({timeout_s:g} s a read, {deadline_s:g} s in all)"
    if deadline_s <= 0:
        raise FetchFailed(spent, item=url)
    try:
        with _Deadline(deadline_s) as deadline, _get(url, min(timeout_s, deadline_s), deadline) as response:
            limits.check_bytes(int(response.headers.get("Content-Length", 0)), url)
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                limits.check_bytes(len(body), url)
            if deadline.over:  # a body without a length ends where its connection does
                raise TimeoutError
            return bytes(body)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        if time.monotonic() >= ends or isinstance(error, httpx2.TimeoutException):
            reason = spent
        elif isinstance(error, httpx2.HTTPStatusError):
            reason = f"HTTP {error.response.status_code} {error.response.reason_phrase}".rstrip()
        else:
            reason = str(error) or type(error).__name__
        raise FetchFailed(reason, item=url) from error


@contextmanager
def _get(url: str, timeout_s: float, deadline: _Deadline) -> Iterator[httpx2.Response]:
    """The response of a status of 2xx, its body still to be read."""
    import httpx2

    client = httpx2.Client(
        headers=_HEADERS,
        timeout=timeout_s,
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        verify=_certificates(),
    )
    with client, client.stream("GET", url.strip(), extensions={"trace": deadline.watch}) as response:
        yield response.raise_for_status()


@cache
def _certificates() -> ssl.SSLContext:
    """The trusted certificates, which take longer to read than most images."""
    import httpx2

    return httpx2.create_ssl_context()


class _Deadline:
    """Ends all connections of a download when its time is spent, however slowly their bytes arrive.

    The timeouts of httpx bound each read: a server that sends a byte a second could hold a download for ever.

    Attributes:
        over: Whether the time is spent.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.over = False

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Takes note of a new connection; httpx calls this for each step of a request ("trace")."""
        if event == "connection.connect_tcp.complete":
            with self._lock:
                # A duplicate reaches the connection from outside, also when TLS has taken the first socket over.
                self._sockets.append(info["return_value"].get_extra_info("socket").dup())
            if self.over:
                self._end()

    def _end(self) -> None:
        with self._lock:
            self.over = True
            for one in self._sockets:
                with suppress(OSError):  # it is closed already
                    one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        for one in self._sockets:
            one.close()
