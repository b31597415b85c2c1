"""The body of a request to images and options: a form, JSON, or one image as it is.

Nothing is written to disk.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from imagist.images.addresses import base64_content, data_content, is_data, is_url
from imagist.serving.problems import Problem
from imagist.serving.settings import MIB, ServerSettings

FILES = ("image", "images")
"""Names of the parts of a form, and of the members of a JSON object, that hold images."""
ADDRESSES = "url"
"""The name of fields and members that hold addresses."""

_IN_THREAD = MIB  # a larger JSON body is parsed in a thread, so that it does not hold up other requests
_NAME = 200  # characters of an image's name that are kept
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TYPES = "multipart/form-data, application/json, or one image as image/* or application/octet-stream"


@dataclass(frozen=True, eq=False)
class Input:
    """One image of a request.

    Attributes:
        source: Its name, for results and errors.
        content: Its encoded bytes; None where it is to be fetched.
        url: Its address.
    """

    source: str
    content: bytes | None = None
    url: str | None = None


@dataclass(frozen=True, eq=False)
class Received:
    """The images and the options of a request.

    Attributes:
        images: One or more.
        texts: Options of the query and of a form, by name.
        values: Options of a JSON body, by name.
    """

    images: list[Input]
    texts: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)


class _InMemory(MultiPartParser):
    """Keeps files in memory, whatever their size: the size of the body is limited already."""

    spool_max_size: ClassVar[int] = 1 << 62  # type: ignore[misc]
    whole = False
    """Whether the end of the form has come."""

    def on_end(self) -> None:
        """Takes note of the end."""
        self.whole = True

    def close(self) -> None:
        """Closes all files, also one that was cut off."""
        for file in self._files_to_close_on_error:
            file.close()


async def receive(request: Request, settings: ServerSettings) -> Received:
    """Reads a request.

    Raises:
        Problem: 400, 413, 415 or 422.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    texts = dict(request.query_params)
    values: dict[str, Any] = {}
    if kind == "multipart/form-data":
        images, fields = await _form(request, settings)
        texts |= fields
    elif kind == "application/json":
        images, values = await _json(await request.body(), settings)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        images = [Input("image", await request.body())]
    else:
        raise Problem(415, "unsupported_media_type", f"send {_TYPES}", headers={"Accept-Post": "*/*"})
    if not images:
        raise Problem(422, "no_images", f"send at least one image, in {FILES[0]!r} or {FILES[1]!r}")
    if len(images) > settings.max_images:
        raise _too_many(settings)
    if not settings.urls and any(image.url for image in images):
        raise Problem(422, "urls_disabled", "this service does not fetch images by their addresses")
    return Received(images, texts, values)


async def _form(request: Request, settings: ServerSettings) -> tuple[list[Input], dict[str, str]]:
    parser = _InMemory(request.headers, _stream(request), max_files=settings.max_images + 1, max_fields=1000)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many(settings) from error
        raise Problem(400, "malformed_form", "the form cannot be read") from error
    try:
        if not parser.whole:
            raise Problem(400, "malformed_form", "the form is cut short")
        return await _of_form(form)
    finally:
        parser.close()


async def _of_form(form: FormData) -> tuple[list[Input], dict[str, str]]:
    images: list[Input] = []
    options: dict[str, str] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name not in FILES:
                raise Problem(
                    422, "invalid_options", f"a file belongs in {FILES[0]!r} or {FILES[1]!r}, not in {name!r}"
                )
            images.append(Input(_named(value.filename, len(images)), await value.read()))
        elif name == ADDRESSES:
            images.append(_addressed(value, None, len(images)))
        elif name in options:
            raise Problem(422, "invalid_options", f"{name!r} is there twice")
        elif name in FILES:
            raise Problem(422, "invalid_options", f"{name!r} is a text, not a file")
        else:
            options[name] = value
    return images, options


async def _stream(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        yield chunk


async def _json(body: bytes, settings: ServerSettings) -> tuple[list[Input], dict[str, Any]]:
    def parse() -> tuple[list[Input], dict[str, Any]]:
        try:
            given = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise Problem(400, "malformed_json", f"not JSON: {str(error)[:200]}") from error
        if not isinstance(given, dict):
            raise Problem(422, "invalid_options", "the body is a JSON object")
        listed: list[Any] = []
        for name in FILES:
            value = given.pop(name, None)
            listed += value if isinstance(value, list) else [] if value is None else [value]
        if len(listed) > settings.max_images:
            raise _too_many(settings)
        return [image_of(value, number) for number, value in enumerate(listed)], given

    return await _maybe_in_thread(parse, len(body))


async def _maybe_in_thread(
    parse: Callable[[], tuple[list[Input], dict[str, Any]]], size: int
) -> tuple[list[Input], dict[str, Any]]:
    return parse() if size < _IN_THREAD else await asyncio.to_thread(parse)


def image_of(value: Any, number: int) -> Input:
    """An image of a JSON body: a text in base64, a ``data:`` address, or an object ``{"data" | "url", "name"}``."""
    if isinstance(value, str):
        value = {"data": value}
    if not isinstance(value, dict) or not {*value} <= {"data", "url", "name"} or ("data" in value) == ("url" in value):
        raise Problem(422, "invalid_options", f"images[{number}]: a text in base64, or an object with data or url")
    if not all(isinstance(each, str) for each in value.values()):
        raise Problem(422, "invalid_options", f"images[{number}]: data, url and name are texts")
    name = value.get("name")
    if "url" in value:
        return _addressed(value["url"], name, number)
    return Input(_named(name, number), _decoded(value["data"], number))


def _decoded(text: str, number: int) -> bytes:
    if is_data(text):
        return data_content(text)
    try:
        return base64_content(text)
    except ValueError as error:
        raise Problem(422, "invalid_options", f"images[{number}]: not base64") from error


def _addressed(url: str, name: str | None, number: int) -> Input:
    if is_data(url):
        return Input(_named(name, number), data_content(url))
    if not is_url(url):
        raise Problem(422, "invalid_options", f"images[{number}]: not an http(s) address")
    return Input(_named(name or url, number), url=url)


def _named(name: str | None, number: int) -> str:
    """A name without control characters, of bounded length."""
    return _CONTROL.sub("", name or "")[:_NAME] or f"image-{number + 1}"


def _too_many(settings: ServerSettings) -> Problem:
    return Problem(413, "too_many_images", f"at most {settings.max_images} images a request")
