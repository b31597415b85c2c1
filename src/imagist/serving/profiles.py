"""``POST /v1/profiles``: posts of accounts, classified already or not, to what each account posts about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from imagist.engine import post_images
from imagist.errors import UsageError
from imagist.profiles import Posts, Profile, Settings, account_record, post_records, profile
from imagist.profiles.collecting import Collector
from imagist.profiles.records import ACCOUNT_FIELDS, ranked
from imagist.records import Failure
from imagist.records.flat import as_record
from imagist.report.profiles import board_page
from imagist.serving import options as asked
from imagist.serving import schema
from imagist.serving.answers import shown
from imagist.serving.batching import Work
from imagist.serving.guard import client_of
from imagist.serving.inputs import Input, image_of
from imagist.serving.keys import RateLimiter
from imagist.serving.models import ServedModel, chosen
from imagist.serving.problems import Problem, busy
from imagist.serving.routes import unless_gone
from imagist.serving.service import Service

MOST_POSTS = 20_000
"""Images of a request whose probabilities are known already."""
_AT_ONCE = 2  # requests whose shares are sampled; others wait

_Name = Annotated[str, Field(min_length=1, max_length=300)]
_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
_Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Post(BaseModel):
    """An image of a post: a record of ``/v1/classify`` with its account, or an image to classify."""

    model_config = ConfigDict(frozen=True)  # further fields of a record are let through

    account: _Name = Field(description="Whose post it is.")
    source: str = Field("", max_length=300, description="Its name.")
    post: str | int | None = Field(None, description="The post; images of one post are a carousel.")
    date: str | float | None = Field(None, description="ISO 8601, or seconds since 1970.")
    likes: float | None = Field(None, ge=0, allow_inf_nan=False, description="Likes of the post.")
    probabilities: dict[str, _Probability] | None = Field(None, description="Calibrated, by category.")
    caption: str | None = Field(None, description="Of the image.")
    error_kind: str | None = Field(None, description="Of a record without a result, which is counted as failed.")
    data: str | None = Field(None, description="The image in base64, where it is not classified yet.")
    url: str | None = Field(None, description="The address of the image, where it is not classified yet.")


class Profiles(asked.Classifying):
    """Options of `/v1/profiles`."""

    posts: Annotated[tuple[Post, ...], Field(min_length=1, max_length=MOST_POSTS)] = Field(
        description="An object an image, in any order."
    )
    rank: str | None = Field(None, max_length=200, description="Order accounts by how surely they are about it.")
    prior: dict[str, _Share] | None = Field(
        None, description="The mix of categories that probabilities assume; by default all are equally common."
    )
    seed: int = Field(0, ge=0, description="Of sampling.")
    with_posts: bool = Field(False, description="Whether to return a record a post as well.")


def profile_routes(service: Service, limiter: RateLimiter | None) -> APIRouter:
    """The router."""
    router = APIRouter(prefix="/v1", tags=["v1"])
    sampling = asyncio.Semaphore(_AT_ONCE)

    async def endpoint(request: Request) -> Response:
        with service.reading():
            body = await request.body()
        options = await asyncio.to_thread(_options, body)
        name, found = await _classified(request, service, limiter, options)
        async with sampling:
            if "text/html" in request.headers.get("accept", ""):
                return HTMLResponse(await asyncio.to_thread(_board, options, found))
            return JSONResponse({"model": name, **await asyncio.to_thread(_document, options, found)})

    router.add_api_route(
        "/profiles",
        endpoint,
        methods=["POST"],
        name="profiles",
        summary="What accounts post about: shares of categories with credible intervals, a record an account.",
        description=Post.__doc__,
        responses=_responses(),
        openapi_extra={"requestBody": _request_body()},
        response_class=JSONResponse,
    )
    return router


async def _classified(
    request: Request, service: Service, limiter: RateLimiter | None, options: Profiles
) -> tuple[str | None, Mapping[int, Any]]:
    """The model's name and the results of the images that were not classified yet, by their places; None without any.

    Raises:
        Problem: Too many images, or the service is busy.
        ImagistError: The options do not fit the model.
    """
    new = [place for place, post in enumerate(options.posts) if post.probabilities is None and post.error_kind is None]
    found: Mapping[int, Any] = {}
    name = None
    if new:
        images = [_input(options.posts[place], place, service) for place in new]
        client = client_of(request)
        client.images = len(images)
        if len(images) > service.settings.max_images:
            raise Problem(413, "too_many_images", f"at most {service.settings.max_images} images a request")
        if limiter is not None and (wait := limiter.take(client.name, len(images))):
            raise busy(429, "rate_limited", "too many images in a minute", wait)
        model = chosen(service.models, options.model)
        name = model.name
        work = await asyncio.to_thread(_work, model, options, service.settings.batch_size)
        results = await unless_gone(request, service.run(model, images, work, options.timeout_s))
        found = dict(zip(new, results, strict=True))
    return name, found


def _work(model: ServedModel, options: Profiles, batch_size: int) -> Work:
    pipeline, key = model.classifier(options)
    return Work(("profiles", model.name, key), post_images(pipeline).work, batch_size)


def _document(options: Profiles, found: Mapping[int, Any]) -> dict[str, Any]:
    """The records of accounts, of images that failed, and where asked for of posts."""
    posts, failed = _posts(options, found)
    profiles = _profiles(options, posts)
    document: dict[str, Any] = {"accounts": [account_record(each) for each in profiles], "failed": failed}
    if options.with_posts:
        document["posts"] = [*post_records(profiles, posts)]
    return document


def _board(options: Profiles, found: Mapping[int, Any]) -> str:
    posts, _ = _posts(options, found)
    return board_page(_profiles(options, posts), posts, order=f"how surely {options.rank}" if options.rank else None)


def _profiles(options: Profiles, posts: Posts) -> list[Profile]:
    found = profile(posts, Settings(seed=options.seed), prior=_prior(options.prior, posts.categories))
    return ranked(found, options.rank)


def _posts(options: Profiles, found: Mapping[int, Any]) -> tuple[Posts, list[dict[str, object]]]:
    """The posts, and the records of images that failed.

    Args:
        options: Of the request.
        found: Results by the places of their images.
    """
    collector = Collector("account")
    failed = []
    for place, post in enumerate(options.posts):
        source = post.source or f"image-{place + 1}"
        record: dict[str, object] = {"probabilities": post.probabilities, "caption": post.caption}
        if (result := found.get(place)) is not None:
            record = as_record(source, shown(result) if isinstance(result, Failure) else result)
            failed += [record] if isinstance(result, Failure) else []
        cells = {name: getattr(post, name) for name in ("account", "post", "date", "likes")}
        collector.add(source, {key: value for key, value in cells.items() if value is not None}, record)
    return collector.posts(), failed


def _prior(shares: Mapping[str, float] | None, categories: Sequence[str]) -> Any:
    if shares is None:
        return None
    if shares.keys() != {*categories}:
        raise UsageError("needs a share for each category", item="prior", remedy=", ".join(categories))
    mix = np.array([shares[name] for name in categories])
    return mix / mix.sum()


def _input(post: Post, place: int, service: Service) -> Input:
    """The image of a post that is not classified yet."""
    given = {key: value for key, value in (("data", post.data), ("url", post.url)) if value is not None}
    if len(given) != 1:
        raise Problem(422, "invalid_options", f"posts[{place}]: has either probabilities, data or url")
    if post.url is not None and not service.settings.urls:
        raise Problem(422, "urls_disabled", "this service does not fetch images by their addresses")
    return image_of({**given, "name": post.source or f"image-{place + 1}"}, place)


def _options(body: bytes) -> Profiles:
    """The options of a JSON body.

    Raises:
        Problem: 422 with all faults.
    """
    try:
        return Profiles.model_validate_json(body)
    except ValidationError as error:
        faults = [
            {"option": ".".join(map(str, each["loc"])), "message": each["msg"]}
            for each in error.errors(include_url=False, include_input=False, include_context=False)[:20]
        ]
        listed = "; ".join(f"{fault['option']}: {fault['message']}" for fault in faults)
        raise Problem(422, "invalid_options", listed, members={"faults": faults}) from error


def _request_body() -> dict[str, Any]:
    described = Profiles.model_json_schema(ref_template="#/$defs/{model}")
    definitions = described.pop("$defs", {})
    described["properties"]["posts"]["items"] = definitions.get("Post", {})
    example = {
        "posts": [
            {"account": "ann", "source": "a.jpg", "date": "2026-05-04", "probabilities": {"cat": 0.9, "food": 0.1}},
            {"account": "bob", "source": "b.jpg", "probabilities": {"cat": 0.2, "food": 0.8}},
        ],
        "rank": "food",
    }
    return {"required": True, "content": {"application/json": {"schema": described, "example": example}}}


def _responses() -> dict[int | str, dict[str, Any]]:
    kinds = {"text": {"type": ["string", "null"]}, "number": {"type": ["number", "null"]}}
    account = {"type": "object", "properties": {name: kinds[kind] for name, kind in ACCOUNT_FIELDS.items()}}
    body = {
        "type": "object",
        "properties": {
            "model": {"type": ["string", "null"]},
            "accounts": {"type": "array", "items": account},
            "failed": {"type": "array", "items": {"type": "object"}},
            "posts": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["model", "accounts", "failed"],
    }
    about = "A record an account: besides these fields share_X, low_X, high_X and leads_X of each category X."
    page = {"schema": {"type": "string", "description": "The board, for `Accept: text/html`."}}
    good = {"description": about, "content": {"application/json": {"schema": body}, "text/html": page}}
    return {200: good} | schema.problems(400, 401, 403, 408, 413, 422, 429, 500, 503)
