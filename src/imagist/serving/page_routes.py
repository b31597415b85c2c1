"""Serves the page from the files of the package, and a few sample images where scikit-image is installed."""

from __future__ import annotations

import gzip
import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from imagist.serving.problems import Problem

SAMPLES = ("chelsea.png", "coffee.png", "rocket.jpg")
SAMPLE_SIDE = 320
"""Longest side of a sample image, in pixels."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}


@dataclass(frozen=True)
class PageFile:
    """A file of the page.

    Attributes:
        content: Its bytes.
        packed: The same, by gzip; None where that does not make it smaller.
        kind: Its media type.
        tag: Changes with its content.
    """

    content: bytes
    packed: bytes | None
    kind: str
    tag: str

    def answer(self, request: Request) -> Response:
        """The file, or that it has not changed."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == self.tag:
            return Response(None, 304, headers)
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, 200, headers | {"Content-Encoding": "gzip"}, self.kind)
        return Response(self.content, 200, headers, self.kind)


@cache
def page_files() -> dict[str, PageFile]:
    """The files of the page by name."""
    folder = resources.files("imagist.serving") / "page"
    names = sorted(each.name for each in folder.iterdir() if Path(each.name).suffix in _TYPES)
    return {name: _file((folder / name).read_bytes(), Path(name).suffix) for name in names}


@cache
def sample_files() -> dict[str, PageFile]:
    """Small sample images by name; none without scikit-image."""
    spec = find_spec("skimage")
    folders = [Path(place) / "data" for place in spec.submodule_search_locations or ()] if spec else []
    paths = [folder / name for folder in folders for name in SAMPLES if (folder / name).is_file()]
    return {f"{path.stem}.jpg": _file(_small(path), ".jpg") for path in paths}


def page_routes() -> APIRouter:
    """The page at ``/``, its files below ``/page/``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index(request: Request) -> Response:
        return page_files()["index.html"].answer(request)

    @router.get("/page/samples.json")
    def samples() -> list[str]:
        return [*sample_files()]

    @router.get("/page/samples/{name}")
    def sample(name: str, request: Request) -> Response:
        return _found(sample_files(), name).answer(request)

    @router.get("/page/{name}")
    async def file(name: str, request: Request) -> Response:
        return _found(page_files(), name).answer(request)

    return router


def _found(files: dict[str, PageFile], name: str) -> PageFile:
    if name not in files:
        raise Problem(404, "not_found", "there is no such file")
    return files[name]


def _file(content: bytes, suffix: str) -> PageFile:
    packed = gzip.compress(content, mtime=0)
    smaller = packed if len(packed) < 0.9 * len(content) else None
    return PageFile(content, smaller, _TYPES[suffix], f'"{hashlib.sha256(content).hexdigest()[:16]}"')


def _small(path: Path) -> bytes:
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
    file = io.BytesIO()
    small.save(file, "jpeg", quality=80)
    return file.getvalue()
