"""Images over http(s), bounded in bytes and in time.

A server that is busy (status 408, 429, 500, 502, 503 or 504) or cuts its answer short is asked again, when its
``Retry-After`` says so or after a while that doubles, as long as the time for the download lasts. Requests to one host
keep their distance, and where it asks for time all of them wait, as `DecodeLimits` says.
"""

from __future__ import annotations

import itertools
import re
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imagist import __version__
from imagist.errors import FetchFailed
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits
from imagist.images.formats import MAGIC_BYTES, begins_like_image
from imagist.images.hosts import HOSTS

if TYPE_CHECKING:
    import ssl

    import httpx2

MAX_REDIRECTS = 10
RETRIES = 2
"""Tries after the first."""
FIRST_WAIT_S = 0.5
"""Seconds before the second try, where the server does not say; each further wait is twice as long."""

BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a server that may answer later."""
_PACKED = ("gzip", "x-gzip", "deflate")
_MOST_PACKED = 3  # times
_ANY_HEADER = 32 + zlib.MAX_WBITS  # of gzip or of zlib
_ESCAPED_AMPERSAND = re.compile("&(?:(?:amp|#0*38|#x0*26);)+", re.IGNORECASE)
_HEADERS = {"User-Agent": f"imagist/{__version__}", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


def fetch(
    url: str,
    limits: DecodeLimits = DEFAULT_LIMITS,
    timeout_s: float = 10.0,
    *,
    deadline_s: float = 30.0,
    public_only: bool = False,
) -> bytes:
    """Downloads one image.

    Args:
        url: An http or https address; ``&amp;`` in it, as pages write it, is taken for ``&``. It may redirect to such
            addresses only, `MAX_REDIRECTS` times at most.
        limits: ``max_bytes`` holds while the body is read and unpacked, whatever length the server announces;
            ``requests_per_s`` and ``patience_s`` say how a host is spared.
        timeout_s: Longest wait for the connection and for each read, in seconds.
        deadline_s: Longest time in all, redirects and retries included, in seconds; waiting for a turn at the host is
            not. Only the look-up of the host's
            name, which cannot be interrupted, is not bounded by it.
        public_only: Whether hosts in private networks, and this one, are refused (`imagist.images.public`).

    Raises:
        FetchFailed: No answer, a status other than 2xx, or an incomplete body; the message has status and reason.
        ImageTooLarge: Over ``limits.max_bytes``.
    """
    spent = f"timed out ({timeout_s:g} s a read, {deadline_s:g} s in all)"
    address = _ESCAPED_AMPERSAND.sub("&", url.strip())
    host = _host(address)
    HOSTS.wait(host, limits.requests_per_s)
    ends = time.monotonic() + deadline_s
    for tries in itertools.count():
        try:
            return _download(address, url, limits, timeout_s, ends, spent, public_only=public_only)
        except _Failed as failed:
            wait = FIRST_WAIT_S * 2**tries if failed.after is None else failed.after
            patient = failed.after is not None and failed.after <= limits.patience_s
            if not failed.passing or tries == RETRIES or (time.monotonic() + wait >= ends and not patient):
                raise FetchFailed(str(failed), item=url) from failed
        if patient:
            HOSTS.hold(host, wait)
            asked = time.monotonic()
            HOSTS.wait(host, limits.requests_per_s)
            ends += time.monotonic() - asked
        else:
            time.sleep(wait)
    raise FetchFailed(spent, item=url)


def _host(address: str) -> str:
    """The host and the port of an address; empty where it has none."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


class _Failed(Exception):
    """One try failed.

    Attributes:
        passing: Whether another one may succeed.
        after: Seconds to wait before that, as the server says; None where it does not.
    """

    def __init__(self, reason: str, *, passing: bool = False, after: float | None = None) -> None:
        super().__init__(" ".join(reason.split()))
        self.passing, self.after = passing, after


def _download(
    address: str, url: str, limits: DecodeLimits, timeout_s: float, ends: float, spent: str, *, public_only: bool
) -> bytes:
    """The body, unpacked, in one try.

    Args:
        address: Is fetched.
        url: The same, for errors.
        limits: As `fetch`.
        timeout_s: As `fetch`.
        ends: When the time is over, by the monotonic clock, in seconds.
        spent: The message where it is.
        public_only: As `fetch`.

    Raises:
        _Failed: It was not delivered.
        ImageTooLarge: Over ``limits.max_bytes``.
    """
    import httpx2

    left, body, length = ends - time.monotonic(), bytearray(), 0
    if left <= 0:
        raise _Failed(spent)
    try:
        with _Deadline(left) as deadline, _get(address, min(timeout_s, left), deadline, public_only) as response:
            length = int(response.headers.get("Content-Length", 0))
            limits.check_bytes(length, url)
            for chunk in response.iter_raw():
                body += chunk
                limits.check_bytes(len(body), url)
            if deadline.over:  # a body without a length ends where its connection does
                raise TimeoutError
            return _unpacked(bytes(body), response.headers.get("Content-Encoding", ""), url, limits)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, zlib.error) as error:
        came = f"; {len(body):,} of {length:,} bytes came" if length > len(body) > 0 else ""
        if time.monotonic() >= ends or isinstance(error, httpx2.TimeoutException):
            raise _Failed(spent + came) from error
        if isinstance(error, httpx2.HTTPStatusError):
            raise _refused(error.response) from error
        if isinstance(error, httpx2.TooManyRedirects):
            raise _Failed(f"more than {MAX_REDIRECTS} redirects") from error
        passing = isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError)
        raise _Failed((str(error) or type(error).__name__) + came, passing=passing) from error


def _refused(response: httpx2.Response) -> _Failed:
    reason = f"HTTP {response.status_code} {response.reason_phrase}".rstrip()
    after = retry_after_s(response.headers.get("Retry-After", ""))
    if after is not None:
        reason += f", to be asked again after {after:,.0f} s"
    return _Failed(reason, passing=response.status_code in BUSY, after=after)


def retry_after_s(retry_after: str) -> float | None:
    """The wait that a ``Retry-After`` header asks for, which has seconds or a date; None where it has neither."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _unpacked(body: bytes, encoding: str, url: str, limits: DecodeLimits) -> bytes:
    """The body without the packing of a server that packs although it was not asked to, or stores what is packed.

    Raises:
        ValueError: Packed in another way than gzip or deflate, or cut short.
        zlib.error: Damaged.
    """
    kinds = [kind for each in encoding.split(",") if (kind := each.strip().lower()) not in ("", "identity")]
    if other := next((kind for kind in kinds if kind not in _PACKED), None):
        raise ValueError(f"the body is packed by {other}, which is not read")
    if len(kinds) > _MOST_PACKED:
        raise ValueError(f"the body is packed {len(kinds)} times")
    while (header := _header(body, kinds[-1] if kinds else "gzip")) is not None:
        body = _unpacked_once(body, header, url, limits)
        if not kinds or not (kinds := kinds[:-1]):
            return body
    return body


def _header(body: bytes, kind: str) -> int | None:
    """The kind of header, as zlib numbers it, of a packed body, by its first bytes; None where it is not packed."""
    if body[:2] == b"\x1f\x8b" or (body[:1] == b"\x78" and kind != "gzip"):
        return _ANY_HEADER
    return -zlib.MAX_WBITS if kind == "deflate" and not begins_like_image(body[:MAGIC_BYTES]) else None


def _unpacked_once(body: bytes, header: int, url: str, limits: DecodeLimits) -> bytes:
    content = b""
    while body:
        unpacker = zlib.decompressobj(header)
        content += unpacker.decompress(body, limits.max_bytes + 1 - len(content))
        limits.check_bytes(len(content), url)
        if not unpacker.eof:
            raise ValueError("the packed body is cut short")
        body = unpacker.unused_data if unpacker.unused_data[:2] == b"\x1f\x8b" else b""  # gzip may have several parts
    return content


@contextmanager
def _get(url: str, timeout_s: float, deadline: _Deadline, public_only: bool) -> Iterator[httpx2.Response]:
    """The response of a status of 2xx, its body still to be read."""
    import httpx2

    transport = None
    if public_only:
        from imagist.images.public import PublicTransport

        transport = PublicTransport(certificates())
    client = httpx2.Client(
        headers=_HEADERS,
        timeout=timeout_s,
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        verify=certificates(),
        transport=transport,
        trust_env=not public_only,
    )
    with client, client.stream("GET", url, extensions={"trace": deadline.watch}) as response:
        yield response.raise_for_status()


@cache
def certificates() -> ssl.SSLContext:
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
