"""A client of servers that speak OpenAI's chat-completions protocol: vLLM, llama.cpp, Ollama and others.

A request is sent again where the server is busy (status 408, 429 or 5xx), cuts its answer short, is too slow, or
answers something else than JSON: when its ``Retry-After`` says so, or after a while that doubles.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imagist import __version__
from imagist.errors import EndpointFailed, UsageError
from imagist.images.fetch import BUSY, FIRST_WAIT_S, certificates, retry_after_s

if TYPE_CHECKING:
    import httpx2

CONNECT_S = 5.0
"""Longest wait for a connection, in seconds."""
MAX_BYTES = 4_000_000
"""Of an answer."""

_SHOWN = 200  # characters of a server's own message
_UNAUTHORISED = (401, 403)


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        timeout_s: Longest time of a request, in seconds, > 0.
        retries: Tries after the first, >= 0.
        longest_wait_s: Longest wait before another try, in seconds; a server that asks for more is given up.
    """

    timeout_s: float = 60.0
    retries: int = 4
    longest_wait_s: float = 30.0


@dataclass(frozen=True)
class Answer:
    """One of the answers to a question.

    Attributes:
        text: As the server wrote it.
        logprob: Sum of the natural log-probabilities of its tokens; NaN where the server does not tell.
    """

    text: str
    logprob: float


class ChatServer:
    """Asks a server; may be called from several threads at once, of which each has a connection.

    Args:
        address: Of the API, such as ``http://localhost:8000/v1``; without a path ``/v1`` is added.
        key: Sent as a bearer token; None sends none.
        patience: How long to wait for it.

    Raises:
        UsageError: Not an http(s) address, or one with a password.
    """

    def __init__(self, address: str, key: str | None = None, patience: Patience | None = None) -> None:
        parts = urlsplit(address.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError("is no address of a server", item=address, remedy="such as http://localhost:8000/v1")
        if parts.username or parts.password:
            raise UsageError(
                "an address must not hold a password",
                item=f"{parts.scheme}://...@{parts.hostname}",
                remedy="put the key into the environment, and name the variable with the setting key_variable",
            )
        self.address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"
        self._headers = {"User-Agent": f"imagist/{__version__}"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._clients: dict[int, httpx2.Client] = {}
        self._answered = False
        weakref.finalize(self, _close, self._clients)

    def models(self) -> list[str]:
        """Names of the models that it serves.

        Raises:
            EndpointFailed: It does not tell.
            UsageError: It does not answer, or refuses the key.
        """
        found = self._ask("GET", "models", None).get("data")
        listed = found if isinstance(found, list) else []
        return [str(each["id"]) for each in listed if isinstance(each, dict) and "id" in each]

    def complete(self, question: Mapping[str, object]) -> list[Answer]:
        """The answers to one request, at least one.

        Args:
            question: The body, as the protocol has it.

        Raises:
            EndpointFailed: It did not deliver; the message has the status and what the server says.
            UsageError: It does not answer the very first request, or refuses the key or the model.
        """
        found = self._ask("POST", "chat/completions", question).get("choices")
        answers = [answer for each in found or [] if (answer := _answer(each))] if isinstance(found, list) else []
        if not answers or not any(each.text.strip() for each in answers):
            refusals = [text for each in found if (text := _refusal(each))] if isinstance(found, list) else []
            if refusals:
                raise EndpointFailed(f"the model refuses{_said(json.dumps(refusals[0]).encode())}")
        if not answers:
            raise EndpointFailed("the answer holds no text", remedy="check that the model reads images")
        return answers

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        patience = self._patience
        for tries in itertools.count():
            try:
                return self._once(method, f"{self.address}/{path}", body)
            except _Failed as failed:
                wait = FIRST_WAIT_S * 2**tries if failed.after is None else failed.after
                wait = min(wait, patience.longest_wait_s) if failed.after is None else wait
                if not failed.passing or tries == patience.retries or wait > patience.longest_wait_s:
                    count = f", {tries + 1} times" if tries else ""
                    raise EndpointFailed(f"{self.address} did not caption it: {failed}{count}") from failed
            time.sleep(wait)
        raise AssertionError  # the loop has no end

    def _once(self, method: str, url: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        """The JSON object of one try.

        Raises:
            _Failed: It was not delivered.
            UsageError: No request can be.
        """
        import httpx2

        ends, content = time.monotonic() + self._patience.timeout_s, bytearray()
        try:
            with self._client().stream(method, url, json=body) as response:
                for chunk in response.iter_bytes():
                    content += chunk
                    if time.monotonic() > ends:
                        raise httpx2.ReadTimeout("")
                    if len(content) > MAX_BYTES:
                        raise _Failed(f"the answer is over {MAX_BYTES:,} bytes")
        except httpx2.TimeoutException as error:
            raise _Failed(f"timed out ({self._patience.timeout_s:g} s)", passing=True) from error
        except httpx2.HTTPError as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            if not self._answered and isinstance(error, httpx2.ConnectError):
                raise UsageError(f"no server answers: {reason}", item=self.address, remedy="start it first") from error
            raise _Failed(reason, passing=True) from error
        self._check(response, bytes(content))
        return _object(bytes(content))

    def _check(self, response: httpx2.Response, content: bytes) -> None:
        """Raises what a status other than 2xx means; remembers that the server answers."""
        status = response.status_code
        if response.is_success:
            self._answered = True
            return
        reason = f"HTTP {status} {response.reason_phrase}".rstrip() + _said(content)
        if status in _UNAUTHORISED:
            raise UsageError(
                f"the server refuses the key: {reason}",
                item=self.address,
                remedy="put the key into the environment, and name the variable with the setting key_variable",
            )
        if status == 404 and not self._answered:
            raise UsageError(
                f"there is no such model or address: {reason}", item=self.address, remedy="name it as ADDRESS#MODEL"
            )
        passing = status in BUSY or status >= 500
        self._answered |= passing
        raise _Failed(reason, passing=passing, after=retry_after_s(response.headers.get("Retry-After", "")))

    def _client(self) -> httpx2.Client:
        """The connections of this process; a forked one makes its own."""
        import httpx2

        with self._lock:
            if (process := os.getpid()) not in self._clients:
                timeout_s = self._patience.timeout_s
                self._clients[process] = httpx2.Client(
                    headers=self._headers,
                    timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
                    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
                    verify=certificates(),
                )
            return self._clients[process]


def _close(clients: Mapping[int, httpx2.Client]) -> None:
    """Closes the connections of this process."""
    if client := clients.get(os.getpid()):
        client.close()


class _Failed(Exception):
    """One try failed.

    Attributes:
        passing: Whether another one may succeed.
        after: Seconds to wait before that, as the server says; None where it does not.
    """

    def __init__(self, reason: str, *, passing: bool = False, after: float | None = None) -> None:
        super().__init__(reason)
        self.passing, self.after = passing, after


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _Failed("the answer is not JSON", passing=True) from error
    if not isinstance(found, dict):
        raise _Failed("the answer is no JSON object", passing=True)
    return found


def _said(content: bytes) -> str:
    """What a server says of its error, as a further half of a sentence; nothing where it says nothing."""
    try:
        found = json.loads(content)
        error = found.get("error", found) if isinstance(found, dict) else found
        text = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, RecursionError):
        text = content.decode("utf-8", "replace")
    shown = "".join(char if char.isprintable() else " " for char in str(text))
    shown = " ".join(shown.split())[:_SHOWN]
    return f": {shown}" if shown else ""


def _answer(choice: object) -> Answer | None:
    """One choice of a completion; None where it holds no text."""
    message = choice.get("message") if isinstance(choice, dict) else None
    text = _text(message.get("content")) if isinstance(message, dict) else None
    if not isinstance(choice, dict) or not isinstance(text, str):
        return None
    listed = choice.get("logprobs")
    tokens = listed.get("content") if isinstance(listed, dict) else None
    values = [each.get("logprob") for each in tokens if isinstance(each, dict)] if isinstance(tokens, list) else []
    known = [float(value) for value in values if isinstance(value, int | float)]
    return Answer(text, min(math.fsum(known), 0.0) if known and len(known) == len(values) else math.nan)


def _text(content: object) -> str | None:
    """The text of a message, which some servers give in parts; None where it has none."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(part for part in parts if isinstance(part, str)) or None


def _refusal(choice: object) -> str:
    """Why the model does not answer, where the server tells; empty where it does not."""
    message = choice.get("message") if isinstance(choice, dict) else None
    text = message.get("refusal") if isinstance(message, dict) else None
    return text if isinstance(text, str) else ""
