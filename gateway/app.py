"""The REST edge as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import metadata
from typing import Any

import httpx
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway import documents, release
from gateway.admission import Admission, Limits
from gateway.cache import ResultCache
from gateway.edge import Edge
from gateway.jobs.routes import jobs
from gateway.jobs.service import Jobs
from gateway.keys import Keys
from gateway.metrics import Metrics
from gateway.pages import add_pages, allow_origins
from gateway.problems import BadRequest, MethodNotAllowed, NotFound, problem_response
from gateway.readiness import Readiness
from gateway.routes import Gateway, api, operations, restore_directly
from gateway.runs import Runner
from gateway.settings import GatewaySettings
from gateway.torchserve_client import TorchServeClient
from photorestore.errors import RestorationError
from photorestore.folders import make_private


class Application(FastAPI):
    """FastAPI, with an OpenAPI document that says what problems hold."""

    def openapi(self) -> dict[str, Any]:
        """Called by FastAPI; the document is made once."""
        is_made = self.openapi_schema is not None
        document = super().openapi()
        if not is_made:
            documents.complete(document)
        return document


def create_app(settings: GatewaySettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """Build the edge.

    Args:
        transport: in place of the network to TorchServe, for tests.

    Raises:
        OSError, ValueError: the file of API keys, or the folder of pictures in work, of the cache or of the jobs cannot
            be used.
    """
    make_private(settings.workspace_root)
    client = TorchServeClient(settings, transport)
    gateway = _make_gateway(settings, client)
    app = Application(
        title="photorestore",
        summary="Restores old and damaged photographs.",
        version=metadata.version("photorestore"),
        docs_url=None,  # ours are in gateway.pages
        redoc_url=None,
        lifespan=lambda _: _running(client, gateway),
    )
    app.state.gateway = gateway
    app.add_middleware(
        Edge,
        metrics=gateway.metrics,
        express={("POST", "/v1/restore"): restore_directly},
        origins=settings.cors_origins,
    )
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    app.add_exception_handler(HTTPException, _answer_http)
    app.include_router(api)
    app.include_router(jobs)
    app.include_router(operations)
    add_pages(app)
    return app


def _make_gateway(settings: GatewaySettings, client: TorchServeClient) -> Gateway:
    limits = Limits(
        settings.max_requests,
        settings.max_pixels,
        settings.max_uploads,
        settings.max_upload_bytes,
        settings.max_answer_bytes,
        has_owners=settings.keys_file is not None,
    )
    admission = Admission(limits)
    metrics = Metrics(admission, settings.workspace_root, settings.restarts_file)
    readiness = Readiness(client, settings, lambda: gateway.renew(), lambda: admission.requests.total > 0)  # noqa: PLW0108
    cache = None if settings.cache_dir is None else ResultCache(settings.cache_dir, settings.cache_bytes)
    runner = Runner(client, admission, metrics, readiness, cache)
    gateway = Gateway(
        settings=settings,
        admission=admission,
        metrics=metrics,
        readiness=readiness,
        runner=runner,
        jobs=None
        if settings.jobs_dir is None
        else Jobs(
            settings.jobs_dir, settings, runner, admission, readiness, metrics, lambda: gateway.release
        ),
        client=client,
        keys=None if settings.keys_file is None else Keys(settings.keys_file),
        release=release.fingerprint(settings.home),
        cards=release.cards(settings.home),
        tiers=release.tiers(settings.home),
    )
    return gateway


@contextlib.asynccontextmanager
async def _running(client: TorchServeClient, gateway: Gateway) -> AsyncIterator[None]:
    """Watch TorchServe as long as the application runs; at the end wait for what is in flight."""
    async with client, contextlib.nullcontext() if gateway.jobs is None else gateway.jobs:
        watch = asyncio.create_task(gateway.readiness.watch())
        try:
            yield
        finally:
            gateway.readiness.drain()
            watch.cancel()
            if gateway.jobs is not None:
                await gateway.jobs.drain(gateway.drain_left_s)
            await gateway.runner.in_flight.drain(gateway.drain_left_s)
            await asyncio.gather(watch, return_exceptions=True)


async def _answer_http(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    problem: RestorationError
    match status:
        case 404:
            problem = NotFound(f"there is no {path}; /openapi.json says what there is")
        case 405:
            problem = MethodNotAllowed(f"{path} does not know {request.method}")
        case _:
            problem = BadRequest("the request cannot be understood")
    response = problem_response(problem, request.state.request_id)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    return response
