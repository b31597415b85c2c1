"""The routes of SageMaker's container contract: ``GET /ping`` and ``POST /invocations``.

A body is an image (``image/jpeg``, ``image/png``) or JSON as for the API, with ``task`` beside the options. An image
has its task and options in the header ``X-Amzn-SageMaker-Custom-Attributes``, such as ``task=caption,nbest=3``. The
answer is JSON, JSON Lines or CSV, as ``Accept`` says; the last two have a record a line.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from imagist.engine.values import cell
from imagist.records.flat import columns
from imagist.serving import schema
from imagist.serving.inputs import Received
from imagist.serving.keys import RateLimiter
from imagist.serving.problems import Problem
from imagist.serving.routes import TASKS, names_of, performed, receive_images
from imagist.serving.service import Service

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_KINDS = ("application/json", "application/jsonlines", "text/csv")
_READ = ("image/jpeg", "image/png", "application/json")


def sagemaker_routes(service: Service, limiter: RateLimiter | None) -> APIRouter:
    """The router."""
    router = APIRouter(tags=["sagemaker"])

    @router.get(
        "/ping", summary="Whether requests are worked on.", response_class=Response, responses=schema.problems(503)
    )
    async def ping() -> Response:
        if not service.ready:
            raise Problem(503, "not_ready", "starting or stopping")
        return Response(b"", 200)

    @router.post(
        "/invocations",
        summary="What is asked of images, by default their categories.",
        responses=_answers() | schema.problems(400, 406, 408, 413, 415, 422, 429, 500, 503),
        openapi_extra={"requestBody": _body(service)},
    )
    async def invocations(request: Request) -> Response:
        kind = _accepted(request.headers.get("accept", "*/*"))
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given not in _READ:
            raise Problem(415, "unsupported_media_type", f"send {', '.join(_READ)}")
        received, _ = await receive_images(request, service, limiter)
        texts = received.texts | _attributes(request.headers.get(ATTRIBUTES, ""))
        task = received.values.pop("task", texts.pop("task", "classify"))
        if not isinstance(task, str) or task not in TASKS:
            raise Problem(422, "invalid_options", f"task: one of {', '.join(TASKS)}")
        wanted, work_of, _ = TASKS[task]
        document = await performed(request, service, Received(received.images, texts, received.values), wanted, work_of)
        return _answer(document, task, kind)

    return router


def _body(service: Service) -> dict[str, Any]:
    """The body of a request: an image, or JSON as for the task that it names."""
    content: dict[str, Any] = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _READ[:2]}
    bodies = [schema.request_body(options, names_of(service))["content"] for options, _, _ in TASKS.values()]
    for (task, _), body in zip(TASKS.items(), bodies, strict=True):
        of_json = body["application/json"]["schema"]
        of_json["properties"] = {"task": {"const": task}, **of_json["properties"]}
        of_json["required"] = ["task", *of_json["required"]]
    schemas = [body["application/json"]["schema"] for body in bodies]
    return {"required": True, "content": {**content, "application/json": {"schema": {"oneOf": schemas}}}}


def _answers() -> dict[int | str, dict[str, Any]]:
    """The answer to a request, in each kind."""
    text = {"schema": {"type": "string"}}
    return {200: {"description": "A record an image.", "content": dict.fromkeys(_KINDS[1:], text)}}


def _accepted(accept: str) -> str:
    """The kind of answer that a client accepts: the first that it names, or JSON.

    Raises:
        Problem: 406, none.
    """
    for part in accept.split(","):
        wanted = part.partition(";")[0].strip().lower()
        if wanted in _KINDS:
            return wanted
        if wanted in ("*/*", "application/*", ""):
            return _KINDS[0]
    raise Problem(406, "not_acceptable", f"the answer is one of {', '.join(_KINDS)}")


def _attributes(text: str) -> dict[str, str]:
    """Options in the form ``task=caption,nbest=3``."""
    pairs = [part.partition("=") for part in text.split(",") if "=" in part]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _answer(document: dict[str, Any], task: str, kind: str) -> Response:
    records = document["results"]
    if kind == _KINDS[0]:
        return JSONResponse(document)
    if kind == _KINDS[1]:
        return Response("".join(f"{json.dumps(record)}\n" for record in records), media_type=kind)
    file = io.StringIO()
    writer = csv.writer(file)
    names = list(columns(schema.FIELDS_OF[task]))
    writer.writerow(names)
    writer.writerows([cell(record.get(name)) for name in names] for record in records)
    return Response(file.getvalue(), media_type=f"{kind}; charset=utf-8")
