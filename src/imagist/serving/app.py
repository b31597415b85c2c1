"""The application: everything that is served, put together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from imagist import __version__
from imagist.errors import ImagistError
from imagist.serving import schema
from imagist.serving.guard import Guard
from imagist.serving.keys import RateLimiter
from imagist.serving.max_compatible import TITLE, max_routes, swagger_routes
from imagist.serving.models import ServedModel
from imagist.serving.monitoring import Log
from imagist.serving.page_routes import page_routes
from imagist.serving.problems import Problem, problem_of
from imagist.serving.profiles import profile_routes
from imagist.serving.routes import Gone, routes
from imagist.serving.sagemaker.contract import sagemaker_routes
from imagist.serving.service import Service
from imagist.serving.settings import ServerSettings

_CLOSED = 499  # the status in logs and counters of a client that left; nobody receives it


def build_app(
    models: Mapping[str, ServedModel], settings: ServerSettings | None = None, log: Log | None = None
) -> ASGIApp:
    """The ASGI application of a service. It starts its threads and processes with the server's lifespan.

    Args:
        models: By name; the first is the default.
        settings: What is accepted; by default as `ServerSettings` says.
        log: Where events go; by default to standard error.
    """
    own = settings or ServerSettings()
    service = Service(models, own, log)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        title=TITLE if own.max_compat else "imagist",
        version=__version__,
        summary="Understands images by putting them into words.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    limiter = None if own.images_a_minute is None else RateLimiter(own.images_a_minute)
    app.include_router(routes(service, limiter))
    app.include_router(profile_routes(service, limiter))
    app.include_router(max_routes(service, limiter))
    if own.max_compat:
        app.include_router(swagger_routes())
    if own.sagemaker:
        app.include_router(sagemaker_routes(service, limiter))
    if own.page:
        app.include_router(page_routes())
    _add_probes(app, service)
    _add_handlers(app)
    return Guard(app, service)


def _add_probes(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operation"], summary="Whether the process answers.")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], summary="Whether requests are worked on.", responses=schema.problems(503))
    async def readyz() -> dict[str, str]:
        if not service.ready:
            raise Problem(503, "not_ready", "starting or stopping", headers={"Retry-After": "1"})
        return {"status": "ready"}

    @app.get("/metrics", tags=["operation"], summary="Counters for Prometheus.", response_class=Response)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_handlers(app: FastAPI) -> None:
    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def on_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, ImagistError)
        return problem_of(error).response()

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        phrase = HTTPStatus(error.status_code).phrase
        kind = phrase.lower().replace(" ", "_")
        return Problem(error.status_code, kind, phrase, headers=error.headers).response()

    async def on_fault(_: Request, __: Exception) -> Response:  # raised again after the answer: the guard logs it
        return Problem(500, "internal_error", "the service failed").response()

    async def on_gone(_: Request, __: Exception) -> Response:
        return JSONResponse(None, _CLOSED)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(ImagistError, on_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Gone, on_gone)
    app.add_exception_handler(Exception, on_fault)
