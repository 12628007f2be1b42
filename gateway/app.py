"""The REST edge as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import metadata

import httpx
from fastapi import FastAPI, Request
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.errors import BadRequest, MethodNotAllowed, NotFound
from gateway.http.keys import Keys
from gateway.http.metrics import RequestMetrics
from gateway.http.middleware import QUIET, Middleware
from gateway.http.origins import allow_origins
from gateway.http.pace import Pace
from gateway.http.pages import add_pages
from gateway.http.problems import problem_response
from gateway.http.proxies import Proxies
from gateway.http.server import Server
from gateway.jobs.metrics import JobMetrics
from gateway.jobs.service import Jobs
from gateway.restore.admission import Admission, Limits
from gateway.restore.cache import ResultCache
from gateway.restore.intake import Intake
from gateway.restore.metrics import RunMetrics, watch_in_flight
from gateway.restore.rates import Rates
from gateway.restore.release import Release
from gateway.restore.runner import Runner
from gateway.restore.transfers import TransferLimits, Transfers
from gateway.routes import openapi
from gateway.routes.batches import batches
from gateway.routes.edge import Edge
from gateway.routes.job_views import job_views
from gateway.routes.jobs import jobs
from gateway.routes.operations import operations
from gateway.routes.presets import NO_PRESETS, Presets
from gateway.routes.restore import restore_directly, restoring
from gateway.routes.stages import about
from gateway.settings import GatewaySettings
from gateway.telemetry.machine import watch_process, watch_restarts, watch_shared_memory
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.tracing import Tracing
from gateway.torchserve.client import TorchServeClient
from gateway.torchserve.metrics import WorkerMetrics
from gateway.torchserve.readiness import Readiness
from photorestore.errors import RestorationError
from photorestore.folders import make_private
from photorestore.kinds import Schema


class Application(FastAPI):
    """FastAPI, with an OpenAPI document that says what problems hold."""

    def openapi(self) -> Schema:
        """Return the OpenAPI document, which is made once; called by FastAPI."""
        is_made = self.openapi_schema is not None
        document = super().openapi()
        if not is_made:
            settings = self.state.edge.settings
            needs_key = settings.keys_file is not None
            openapi.complete(document, needs_key=needs_key, public_path=settings.public_path)
        return document


def create_app(
    settings: GatewaySettings,
    transport: httpx.AsyncBaseTransport | None = None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """Build the edge.

    Args:
        transport: used in tests in place of the network to TorchServe.
        tracing: where spans go; by default nowhere.

    Raises:
        OSError, ValueError: the file of API keys or of presets cannot be used, or the folder of pictures in work, of
            the cache or of the jobs.
    """
    make_private(settings.workspace_root)
    client = TorchServeClient(settings, transport)
    tracing = tracing or Tracing()
    edge = _make_edge(settings, client, tracing)
    app = Application(
        title=openapi.TITLE,
        openapi_tags=openapi.TAGS,
        summary="Restores old and damaged photographs.",
        version=metadata.version("photorestore"),
        docs_url=None,  # ours are in gateway.http.pages
        redoc_url=None,
        lifespan=lambda _: _running(client, edge, tracing),
        telemetry=_telemetry(tracing),
    )
    app.state.edge = edge
    app.add_middleware(
        Middleware,
        metrics=edge.of_requests,
        express={("POST", "/v1/restore"): restore_directly},
        origins=settings.cors_origins,
        proxies=Proxies(settings.public_path, settings.trusted_proxies),
    )
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    app.add_exception_handler(HTTPException, _answer_http)
    app.include_router(restoring)
    app.include_router(about)
    app.include_router(jobs)
    app.include_router(job_views)
    app.include_router(batches)
    app.include_router(operations)
    add_pages(app)
    return app


def _telemetry(tracing: Tracing) -> TelemetryConfig:
    """Return how FastAPI makes the span of a whole request; all else that it could report is off."""
    return {
        "tracer_provider": tracing.provider,
        "tracing": tracing.provider is not None,
        "exclude": lambda scope: scope["path"] in QUIET,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
    }


def create_server(app: FastAPI) -> Server:
    """Return the server of an application that `create_app` has made."""
    edge: Edge = app.state.edge
    return Server(app, edge.settings, edge.readiness.drain)


def _make_edge(settings: GatewaySettings, client: TorchServeClient, tracing: Tracing) -> Edge:
    limits = Limits(
        settings.max_requests,
        settings.max_pixels,
        settings.max_key_requests,
        settings.max_in_turns,
    )
    admission = Admission(limits)
    transfers = Transfers(_transfer_limits(settings), lambda: admission.retry_after_s)
    metrics = _make_metrics(settings, admission, transfers)
    readiness = Readiness(
        client,
        settings,
        WorkerMetrics(metrics),
        on_ready=lambda: edge.renew(),  # noqa: PLW0108 - `edge` is made below
        is_busy=lambda: admission.requests.total > 0,
    )
    cache = None if settings.cache_dir is None else ResultCache(settings.cache_dir, settings.cache_bytes)
    runner = Runner(client, admission, RunMetrics(metrics), readiness, cache, tracing)
    edge = Edge(
        settings=settings,
        admission=admission,
        rates=Rates(settings.key_rate, settings.key_rate_store) if settings.key_rate else None,
        transfers=transfers,
        metrics=metrics,
        of_requests=RequestMetrics(metrics),
        readiness=readiness,
        intake=Intake(
            Pace(settings.upload_grace_s, settings.upload_bytes_s), transfers, tracing, lambda: edge.release
        ),
        runner=runner,
        jobs=None,
        client=client,
        keys=None if settings.keys_file is None else Keys(settings.keys_file),
        presets=NO_PRESETS if settings.presets_file is None else Presets.read(settings.presets_file),
        release=Release.of(settings.home),
    )
    job_metrics = JobMetrics(metrics)
    if settings.jobs_dir is not None or settings.jobs_url:
        edge.jobs = Jobs(settings, runner, admission, readiness, job_metrics, transfers, lambda: edge.release)
    return edge


def _transfer_limits(settings: GatewaySettings) -> TransferLimits:
    return TransferLimits(
        settings.max_uploads,
        settings.max_upload_bytes,
        settings.max_answer_bytes,
        has_owners=settings.keys_file is not None,
    )


def _make_metrics(settings: GatewaySettings, admission: Admission, transfers: Transfers) -> Metrics:
    metrics = Metrics()
    watch_in_flight(metrics, admission, transfers)
    watch_process(metrics)
    watch_shared_memory(metrics, settings.workspace_root)
    if settings.restarts_file is not None:
        watch_restarts(metrics, settings.restarts_file)
    return metrics


@contextlib.asynccontextmanager
async def _running(client: TorchServeClient, edge: Edge, tracing: Tracing) -> AsyncIterator[None]:
    """Watch TorchServe while the application runs; at the end wait for requests and jobs in flight."""
    async with client, contextlib.nullcontext() if edge.jobs is None else edge.jobs:
        watch = asyncio.create_task(edge.readiness.watch())
        try:
            yield
        finally:
            edge.readiness.drain()
            watch.cancel()
            if edge.jobs is not None:
                await edge.jobs.drain(edge.drain_left_s)
            await edge.runner.in_flight.drain(edge.drain_left_s)
            await asyncio.gather(watch, return_exceptions=True)
            if edge.rates is not None:
                await edge.rates.close()
            await asyncio.to_thread(tracing.shut_down)


async def _answer_http(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses by itself with a problem document."""
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
