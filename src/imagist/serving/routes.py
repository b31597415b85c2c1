"""The routes of version 1: classify, caption, describe, explain, models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from imagist.records import Failure
from imagist.serving import options as asked
from imagist.serving import schema
from imagist.serving.answers import record_of, shown
from imagist.serving.batching import Work
from imagist.serving.guard import Client, client_of
from imagist.serving.inputs import Received, receive
from imagist.serving.keys import RateLimiter
from imagist.serving.models import ServedModel, chosen
from imagist.serving.options import validated
from imagist.serving.problems import busy, problem_of
from imagist.serving.service import Service

T = TypeVar("T")
WorkOf = Callable[[ServedModel, Any, int], Work]

TASKS: dict[str, tuple[type[asked.Options], WorkOf, str]] = {
    "classify": (asked.Classify, ServedModel.classify, "A caption, a category and probabilities for each image."),
    "caption": (asked.Caption, ServedModel.caption, "A caption for each image."),
    "describe": (asked.Describe, ServedModel.describe, "A description of each image, or of a region of it."),
    "interrogate": (asked.Interrogate, ServedModel.interrogate, "A caption with the phrases that fit each image."),
    "explain": (asked.Explain, ServedModel.explain, "The words and the parts of each image that decided its category."),
}
"""For each task its options, its work, and what it is."""


class Gone(Exception):
    """The client has left, and needs no answer."""


def names_of(service: Service) -> dict[str, list[str]]:
    """The values of options that name something of the models."""
    models = service.models.values()
    return {
        "model": list(service.models),
        "taxonomy": sorted({name for model in models for name in model.taxonomies}),
        "language": sorted({code for model in models for code in model.languages}),
    }


async def receive_images(request: Request, service: Service, limiter: RateLimiter | None) -> tuple[Received, Client]:
    """Reads a request and charges its images to its client.

    Raises:
        Problem: It cannot be used, or the client has sent too many.
    """
    client = client_of(request)
    with service.reading():
        received = await receive(request, service.settings)
    client.images = len(received.images)
    if limiter is not None and (wait := limiter.take(client.name, client.images)):
        raise busy(429, "rate_limited", "too many images in a minute", wait)
    return received, client


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work, which is cancelled when the client leaves.

    Raises:
        Gone: It has left.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_left(request.receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        task.cancel()
        watch.cancel()


async def _left(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def routes(service: Service, limiter: RateLimiter | None) -> APIRouter:
    """The router."""
    router = APIRouter(prefix="/v1", tags=["v1"])
    for task, (kind, work_of, summary) in TASKS.items():
        router.add_api_route(
            f"/{task}",
            _endpoint(service, limiter, kind, work_of),
            methods=["POST"],
            name=task,
            summary=summary,
            description=kind.__doc__,
            responses=schema.responses(task),
            openapi_extra={"requestBody": schema.request_body(kind, names_of(service))},
            response_class=JSONResponse,
        )

    @router.get("/models", summary="The models that are served, the default one first.")
    async def models() -> dict[str, Any]:
        own = service.settings
        limits = {name: getattr(own, name) for name in ("max_images", "max_image_bytes", "max_body", "max_megapixels")}
        facts = await asyncio.to_thread(lambda: [model.facts() for model in service.models.values()])
        return {"models": facts, "tasks": [*TASKS], "limits": limits | {"urls": own.urls}}

    return router


def _endpoint(
    service: Service, limiter: RateLimiter | None, kind: type[asked.Options], work_of: WorkOf
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        received, _ = await receive_images(request, service, limiter)
        return JSONResponse(await performed(request, service, received, kind, work_of))

    return endpoint


async def performed(
    request: Request, service: Service, received: Received, kind: type[asked.Options], work_of: WorkOf
) -> dict[str, Any]:
    """The document that answers a request: ``model``, ``results`` and what else is told of the work.

    Args:
        request: The request.
        service: Works on it.
        received: Its images and options.
        kind: Of its options.
        work_of: From a model and options to work.

    Raises:
        Problem: The options are wrong, the service is too busy, or no image has a result: then with the status of the
            first, and with the results.
        ImagistError: The options do not fit the model.
        Gone: The client has left.
    """
    options = validated(kind, received.texts, received.values)
    model = chosen(service.models, options.model)
    # In a thread: a captioner may be opened, or names embedded.
    work = await asyncio.to_thread(work_of, model, options, service.settings.batch_size)
    found = await unless_gone(request, service.run(model, received.images, work, options.timeout_s))
    records = [record_of(image.source, each, options) for image, each in zip(received.images, found, strict=True)]
    document = {"model": model.name, **work.about, "results": records}
    if all(isinstance(result, Failure) for result in found):
        raise problem_of(shown(found[0]).error, document)
    return document
