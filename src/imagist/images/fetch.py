"""Images over http(s), bounded in bytes and in time."""

from __future__ import annotations

import http.client
import io
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from functools import partial
from typing import Any, TypeGuard

from imagist import __version__
from imagist.errors import FetchFailed
from imagist.images.decode import DEFAULT_LIMITS, DecodeLimits

_CHUNK = 1 << 16
_HEADERS = {"User-Agent": f"imagist/{__version__}", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


def is_url(source: str | os.PathLike[str]) -> TypeGuard[str]:
    """Whether a source is an http(s) address."""
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://"))


def fetch(
    url: str, limits: DecodeLimits = DEFAULT_LIMITS, timeout_s: float = 10.0, *, deadline_s: float = 30.0
) -> bytes:
    """Downloads one image.

    Args:
        url: An http or https address; so must be those it redirects to.
        limits: ``max_bytes`` holds while streaming, whatever the server announces.
        timeout_s: Longest wait for the connection and for each read, in seconds.
        deadline_s: Longest time for the whole, redirects included, in seconds. Only the resolving of the host's name,
            which cannot be interrupted, is not bounded by it.

    Raises:
        FetchFailed: No answer, a status other than 2xx, or a body cut short; the message has status and reason.
        ImageTooLarge: Over ``limits.max_bytes``.
    """
    deadline = time.monotonic() + deadline_s
    try:
        request = urllib.request.Request(_ascii(url), headers=_HEADERS)
        with _opener(deadline).open(request, timeout=timeout_s) as response:
            limits.check_bytes(response.length or 0, url)
            return _read(response, url, limits)
    except urllib.error.HTTPError as error:
        with error:
            raise FetchFailed(f"HTTP {error.code} {error.reason}".rstrip(), item=url) from error
    except urllib.error.URLError as error:
        reason = "timed out" if isinstance(error.reason, TimeoutError) else error.reason
        raise FetchFailed(f"no answer: {reason}", item=url) from error
    except TimeoutError as error:
        raise FetchFailed(f"timed out ({timeout_s:g} s a read, {deadline_s:g} s in all)", item=url) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchFailed(str(error) or type(error).__name__, item=url) from error


def _read(response: http.client.HTTPResponse, url: str, limits: DecodeLimits) -> bytes:
    body = bytearray()
    while chunk := response.read(_CHUNK):
        body += chunk
        limits.check_bytes(len(body), url)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(body)


def _ascii(url: str) -> str:
    """Percent-encodes what people leave in addresses: spaces and letters beyond ASCII."""
    parts = urllib.parse.urlsplit(url.strip())
    path, query = (urllib.parse.quote(part, safe="%/:=&?~#+!$,;'@()*[]") for part in (parts.path, parts.query))
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.encode("idna").decode(), path, query, ""))


def _opener(deadline: float) -> urllib.request.OpenerDirector:
    """Knows http and https only, so that no redirect leads to ``ftp:`` or ``file:``."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        _HTTPHandler(deadline),
        _HTTPSHandler(deadline),
    ):
        opener.add_handler(handler)
    return opener


class _HTTPHandler(urllib.request.HTTPHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_timed(http.client.HTTPConnection, self._deadline), req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_timed(http.client.HTTPSConnection, self._deadline), req)


def _timed(connection: type[http.client.HTTPConnection], deadline: float) -> Any:
    """A factory of connections whose every read, of headers too, ends at the deadline."""

    def connect(host: str, **options: Any) -> http.client.HTTPConnection:
        made = connection(host, **options)
        made.response_class = partial(_TimedResponse, deadline=deadline)  # type: ignore[assignment]
        return made

    return connect


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReads(sock, deadline))


class _TimedReads(io.RawIOBase):
    """A socket's bytes; each read waits for its own timeout or the time left until the deadline, whichever is less."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket, self._timeout, self._deadline = sock, sock.gettimeout(), deadline
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left if self._timeout is None else min(left, self._timeout))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
