"""What stands before every route: host, origin, key, size and time of the body; headers, log and counters after it."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
import traceback
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagist.serving.keys import KeyRing
from imagist.serving.problems import Problem, busy
from imagist.serving.service import Service

OPEN = frozenset({"/healthz", "/readyz", "/ping"})
"""Paths that need no key; neither do the page and its files."""

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Api-Key, X-Request-Id",
    "Access-Control-Max-Age": "600",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PORT = re.compile(r":\d+$")


@dataclass(eq=False)
class Client:
    """Who asks; in the state of a request as ``client``.

    Attributes:
        name: Of the key, or the address where no key is asked for.
        request_id: Names the request in its answer and in the log.
        images: How many it sent, for the log.
    """

    name: str
    request_id: str
    images: int = 0


class Guard:
    """ASGI middleware around the whole application.

    Args:
        app: The application.
        service: Whose settings, counters and log it uses.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        own = service.settings
        self._app, self._service, self._settings = app, service, own
        self._ring = None if own.keys is None else KeyRing(own.keys)
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send)
        try:
            await exchange.run()
        finally:
            self._buffered -= exchange.received

    def hold(self, size: int) -> None:
        """Takes note of bytes that are held.

        Raises:
            Problem: 503, too many are.
        """
        self._buffered += size
        if self._buffered > self._settings.max_buffered:
            raise busy(503, "too_much_in_flight", "too many large requests at a time", 1.0)

    def client_of(self, headers: Headers, scope: Scope, request_id: str) -> Client:
        """Who asks.

        Raises:
            Problem: 401, a key is needed.
        """
        address = scope["client"][0] if scope.get("client") else "?"
        if self._ring is None or is_open(scope["path"]):
            return Client(address, request_id)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        presented = given.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        name = self._ring.owner(presented)
        if name is None:
            challenge = {"WWW-Authenticate": 'Bearer realm="imagist"'}
            raise Problem(401, "key_needed", "send a valid key as Authorization: Bearer KEY", headers=challenge)
        return Client(name, request_id)


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path in OPEN or path == "/" or path.startswith("/page/")


class _Exchange:
    """One request and its answer."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        self._service, self._settings = guard._service, guard._settings
        self._headers = Headers(scope=scope)
        given = self._headers.get("x-request-id", "")
        self._id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        self._client = Client("?", self._id)
        self._status = 0
        self._began = time.monotonic()
        self._whole = False  # the body has arrived
        self.received = 0

    async def run(self) -> None:
        """Answers the request, whatever happens."""
        try:
            if self._is_preflight():
                await Response(None, 204, _PREFLIGHT)(self._scope, self._receive, self._secured)
                return
            self._check()
            self._scope.setdefault("state", {})["client"] = self._client
            await self._guard._app(self._scope, self._limited, self._secured)
        except Problem as problem:
            await self._fail(problem)
        except Exception as error:
            self._service.log.write("fault", id=self._id, error=type(error).__name__, trace=traceback.format_exc())
            await self._fail(Problem(500, "internal_error", "the service failed"))
        finally:
            self._note()

    def _is_preflight(self) -> bool:
        """Whether a browser asks if a page of an allowed site may call."""
        return self._scope["method"] == "OPTIONS" and self._headers.get("origin") in self._settings.origins

    def _check(self) -> None:
        own = self._settings
        host = _PORT.sub("", self._headers.get("host", "")).lower()
        if "*" not in own.hosts and host not in own.hosts and not is_probe(self._scope["path"]):
            raise Problem(421, "wrong_host", "this service is not called by that name; see --host-name")
        self._check_origin()
        self._client = self._guard.client_of(self._headers, self._scope, self._id)
        length = self._headers.get("content-length", "0")
        if length.isdecimal() and int(length) > own.max_body:
            raise self._too_large()

    def _check_origin(self) -> None:
        """Refuses what a page of another site sends, which needs no permission of CORS to send a form."""
        origin = self._headers.get("origin")
        if origin in self._settings.origins:
            return
        own = f"//{self._headers.get('host', '').lower()}"
        foreign = self._headers.get("sec-fetch-site") == "cross-site" and self._scope["method"] not in ("GET", "HEAD")
        if foreign if origin is None else not origin.lower().endswith(own):
            raise Problem(403, "cross_site", "pages of other sites may not call this service")

    def _too_large(self) -> Problem:
        limit = f"{self._settings.max_body / 2**20:g} MiB"
        return Problem(413, "body_too_large", f"the body is over the limit of {limit}", headers={"Connection": "close"})

    async def _limited(self) -> Message:
        """The next part of the body, within its limits of size and time."""
        if self._whole:
            return await self._receive()
        left = self._began + self._settings.body_timeout_s - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0.0))
        except TimeoutError:
            detail = f"the body did not arrive within {self._settings.body_timeout_s:g} s"
            raise Problem(408, "body_timeout", detail, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.received += size
            self._guard.hold(size)
            self._whole = not message.get("more_body", False)
            if self.received > self._settings.max_body:
                raise self._too_large()
        return message

    async def _secured(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            page = self._scope["path"] == "/" or self._scope["path"].startswith("/page/")
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if page:
                headers["Content-Security-Policy"] = _PAGE_POLICY
            headers["X-Request-Id"] = self._id
            self._allow(headers)
        await self._send(message)

    def _allow(self, headers: MutableHeaders) -> None:
        origin = self._headers.get("origin")
        if origin is not None and origin in self._settings.origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers.add_vary_header("Origin")

    async def _fail(self, problem: Problem) -> None:
        if self._status == 0:
            await problem.response()(self._scope, self._receive, self._secured)

    def _note(self) -> None:
        route = route_of(self._scope)
        seconds = time.monotonic() - self._began
        self._service.metrics.requests.labels(route, str(self._status)).inc()
        self._service.metrics.latency.labels(route).observe(seconds)
        self._service.log.write(
            "request",
            id=self._id,
            client=self._client.name,
            method=self._scope["method"],
            route=route,
            status=self._status,
            ms=round(1000 * seconds, 1),
            bytes=self.received,
            images=self._client.images,
        )


def is_probe(path: str) -> bool:
    """Whether a path only tells whether the service runs."""
    return path in OPEN


def route_of(scope: Scope) -> str:
    """The path of a request's route, one of a few: a path that a client made up is ``other``."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))


def client_of(request: Request) -> Client:
    """Who asks; see `Client`."""
    found: Any = request.scope["state"]["client"]
    assert isinstance(found, Client)
    return found
