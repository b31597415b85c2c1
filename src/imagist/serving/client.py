"""A client of the service: images to records, many at a time, asking again where the service is busy.

::

    with imagist.Client("http://127.0.0.1:8000") as client:
        for record in client.classify(["cat.jpg", "dog.jpg"], taxonomy="social12"):
            print(record["source"], record["label"] or record["error_message"])
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.errors import FetchFailed, ItemError, UsageError
from imagist.images.photo import name_of, read_file
from imagist.records import Failure
from imagist.records.flat import as_record

if TYPE_CHECKING:
    import httpx2

Image = str | os.PathLike[str] | bytes
"""A path, or encoded bytes."""

_BUSY = (408, 429, 503)
_LONGEST_WAIT_S = 60.0
_FIRST_WAIT_S = 0.5


class ServiceError(FetchFailed):
    """The service refused a request, or did not answer.

    Attributes:
        status: Of the answer; 0 where there is none.
        problem: The problem document; empty where there is none.
    """

    def __init__(self, message: str, *, item: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message, item=item, remedy=remedy)
        self.status = 0
        self.problem: dict[str, Any] = {}


class Client:
    """Calls a service. Several threads may use it at once; close it, or use it as a context.

    Args:
        url: Of the service.
        key: An API key, where the service asks for one.
        batch_size: Images of a request, >= 1.
        concurrency: Requests at a time, >= 1.
        retries: How often a request is sent again that the service was too busy for, or that it did not answer.
        timeout_s: Longest wait for an answer, in seconds.
        transport: Of httpx, instead of the network.

    Raises:
        UsageError: A number is below 1.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        batch_size: int = 8,
        concurrency: int = 4,
        retries: int = 5,
        timeout_s: float = 120.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        import httpx2

        for name, value in (("batch_size", batch_size), ("concurrency", concurrency)):
            if value < 1:
                raise UsageError(f"must be at least 1, not {value}", item=name)
        self._batch_size, self._concurrency, self._retries = batch_size, concurrency, retries
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)

    def classify(self, images: Iterable[Image] | Image, **options: Any) -> Iterator[dict[str, Any]]:
        """A record an image, in order, with caption, category and probabilities; see `imagist.records.flat`.

        An image that cannot be read, or that the service has no result for, gets a record with its error.

        Args:
            images: Paths or encoded images, or one alone.
            options: Of ``/v1/classify``, such as ``taxonomy="social12"`` or ``labels=["temple", "beach"]``.

        Raises:
            ServiceError: The service refuses the request as a whole, or cannot be reached.
        """
        return self._records("classify", images, options)

    def caption(self, images: Iterable[Image] | Image, **options: Any) -> Iterator[dict[str, Any]]:
        """As `classify`, with captions alone: options of ``/v1/caption``."""
        return self._records("caption", images, options)

    def describe(self, images: Iterable[Image] | Image, **options: Any) -> Iterator[dict[str, Any]]:
        """As `classify`, with descriptions: options of ``/v1/describe``."""
        return self._records("describe", images, options)

    def interrogate(self, images: Iterable[Image] | Image, **options: Any) -> Iterator[dict[str, Any]]:
        """As `classify`, with the phrases that fit: options of ``/v1/interrogate``."""
        return self._records("interrogate", images, options)

    def explain(self, images: Iterable[Image] | Image, **options: Any) -> Iterator[dict[str, Any]]:
        """As `classify`, with ``explanation``: options of ``/v1/explain``."""
        return self._records("explain", images, options)

    def profiles(self, posts: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """What accounts post about: ``accounts``, a record each, and ``failed``, the images that could not be used.

        Args:
            posts: An object an image: ``account``, and a record of `classify` (or at least its ``probabilities``), and
                if known ``post``, ``date`` and ``likes``.
            options: Of ``/v1/profiles``, such as ``rank="food"``.

        Raises:
            ServiceError: As `classify`.
        """
        return self._call("POST", "/v1/profiles", {"json": {"posts": [dict(post) for post in posts], **options}})

    def models(self) -> list[dict[str, Any]]:
        """The models that are served, the default one first.

        Raises:
            ServiceError: As `classify`.
        """
        found: list[dict[str, Any]] = self._call("GET", "/v1/models", {})["models"]
        return found

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _records(self, task: str, images: Iterable[Image] | Image, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Sends batches ahead, at most ``concurrency`` at a time, and yields their records in order."""
        left = iter([images] if isinstance(images, str | os.PathLike | bytes) else images)
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="imagist-client")
        pending = []
        try:
            while True:
                batch = list(islice(left, self._batch_size))
                if batch:
                    pending.append(pool.submit(self._batch, task, batch, options))
                if pending and (len(pending) >= self._concurrency or not batch):
                    yield from pending.pop(0).result()
                if not batch and not pending:
                    return
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, task: str, images: Sequence[Image], options: dict[str, Any]) -> list[dict[str, Any]]:
        names = [name_of(image) for image in images]
        contents = [_content(image) for image in images]
        files = [
            ("images", (Path(name).name, content, "application/octet-stream"))
            for name, content in zip(names, contents, strict=True)
            if isinstance(content, bytes)
        ]
        found = iter(self._results(task, files, options) if files else [])
        return [
            as_record(name, Failure(name, content))
            if isinstance(content, ItemError)
            else next(found) | {"source": name}
            for name, content in zip(names, contents, strict=True)
        ]

    def _results(self, task: str, files: list[Any], options: dict[str, Any]) -> list[dict[str, Any]]:
        sent = {name: _field(value) for name, value in options.items() if value is not None}
        try:
            answer = self._call("POST", f"/v1/{task}", {"files": files, "data": sent})
        except ServiceError as error:
            if "results" not in error.problem:
                raise
            answer = error.problem
        results: list[dict[str, Any]] = answer["results"]
        return results

    def _call(self, method: str, path: str, request: dict[str, Any]) -> dict[str, Any]:
        import httpx2

        for tries in range(self._retries + 1):
            wait, fault = _FIRST_WAIT_S * 2**tries, ServiceError("the service did not answer", item=path)
            try:
                response = self._http.request(method, path, **request)
            except httpx2.HTTPError as error:
                fault = ServiceError(f"the service cannot be reached: {error or type(error).__name__}", item=path)
            else:
                if response.is_success:
                    document: dict[str, Any] = response.json()
                    return document
                fault = _refusal(response, path)
                if response.status_code not in _BUSY:
                    raise fault
                after = response.headers.get("Retry-After", "")
                wait = float(after) if after.isdecimal() else wait
            if tries == self._retries:
                raise fault
            time.sleep(min(wait, _LONGEST_WAIT_S))
        raise AssertionError("unreachable")


def _content(image: Image) -> bytes | ItemError:
    """The encoded image, or why it cannot be read."""
    if isinstance(image, bytes):
        return image
    try:
        return read_file(image)
    except ItemError as error:
        return error


def _field(value: Any) -> str:
    """An option as the field of a form."""
    if isinstance(value, list | tuple):
        import json

        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refusal(response: httpx2.Response, path: str) -> ServiceError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    error = ServiceError(str(problem.get("detail") or f"the service answered {response.status_code}"), item=path)
    error.status, error.problem = response.status_code, problem
    return error
