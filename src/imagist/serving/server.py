"""Runs an application with uvicorn: bounded headers, a drain on SIGTERM, no log but our own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from imagist.errors import OutputError

HEADER_S = 10.0
"""Longest time for the headers of a request, in seconds."""
DRAIN_S = 25
"""Longest time for requests that are in work when the server is asked to stop, in seconds."""
CONNECTIONS = 1000
"""Most connections without a request; of more, the one that waits longest is closed."""
REQUESTS = 2000
"""Most requests, their bodies included, at a time; further ones get 503."""
BACKLOG = 1024

_OTHER_FILES = 256  # beside the connections
_SWITCH_S = 0.001  # so that the event loop gets its turn soon while networks run in other threads


class BoundedHeaders(H11Protocol):
    """Closes a connection whose next request does not begin in time, however slowly its bytes arrive.

    Where too many wait for a request, the one that waits longest is closed: new clients are served however many
    connections somebody holds.

    Attributes:
        most: So many may wait.
    """

    most: ClassVar[int] = CONNECTIONS
    _timer: asyncio.TimerHandle | None = None
    _waiting: ClassVar[dict[BoundedHeaders, None]] = {}  # those without a request, the longest first

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the wait."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Waits no more once the headers are there."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif self._idle and self._timer is None:
            self._wait()

    def shutdown(self) -> None:
        """Tells a client that waits for an answer that this connection ends with it."""
        if not self._idle:
            self.cycle.scope["headers"] = [*self.cycle.scope["headers"], (b"connection", b"close")]
        super().shutdown()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEADER_S, self._give_up)
        self._waiting[self] = None
        if len(self._waiting) > self.most:
            oldest = next(iter(self._waiting))
            oldest._stop_waiting()
            oldest._give_up()

    def _stop_waiting(self) -> None:
        self._waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._waiting.pop(self, None)
        self._timer = None
        if self._idle and not self.transport.is_closing():
            self.transport.abort()


class _Server(uvicorn.Server):
    """Takes a signal to stop as a normal end: it is not raised again once the server has drained."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops on SIGINT and SIGTERM."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def serve(app: ASGIApp, host: str, port: int, *, certificate: str | None = None, key: str | None = None) -> None:
    """Serves until SIGINT or SIGTERM; requests that are in work then are answered first.

    Args:
        app: The application.
        host: Address to listen at.
        port: 0 takes any free one, which is told on standard error.
        certificate: A PEM file, for https.
        key: Of the certificate.

    Raises:
        OutputError: The address cannot be listened at.
    """
    listening = _listen(host, port)
    most = _files(CONNECTIONS + REQUESTS + _OTHER_FILES) - _OTHER_FILES
    BoundedHeaders.most = min(CONNECTIONS, most // 2)
    config = uvicorn.Config(
        app,
        http=BoundedHeaders,
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=most,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=DRAIN_S,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    scheme = "https" if certificate else "http"
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"imagist: serving at {scheme}://{shown}:{listening.getsockname()[1]}\n")
    sys.stderr.flush()
    sys.setswitchinterval(_SWITCH_S)
    _Server(config).run(sockets=[listening])


def _files(wanted: int) -> int:
    """How many files the process may open, each connection being one: as many as are wanted, where it can be raised."""
    try:
        import resource
    except ImportError:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        made.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot listen there: {reason}", item=f"{host}:{port}") from error
    made.set_inheritable(True)
    return made
