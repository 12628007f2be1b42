"""The routes for operators and their machines: health and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.routes import openapi
from gateway.routes.edge import edge_of

operations = APIRouter(tags=["operations"])


@operations.get(
    "/livez",
    operation_id="get_livez",
    response_class=JSONResponse,
    responses={200: {"description": "it is", "content": openapi.document("Liveness")}},
)
async def livez() -> JSONResponse:
    """Answer that this process is alive."""
    return JSONResponse({"status": "alive"})


@operations.get(
    "/readyz",
    operation_id="get_readyz",
    response_class=JSONResponse,
    responses={
        200: {"description": "restorations will succeed", "content": openapi.document("Readiness")},
        503: {"description": "restorations would fail", "content": openapi.document("Readiness")},
    },
)
async def readyz(request: Request) -> JSONResponse:
    """Return whether restorations will succeed, and if not, why."""
    readiness = edge_of(request).readiness
    nodes = {node.stage: {"ready": node.ready, "pending": node.pending} for node in readiness.state.nodes}
    document = {
        "ready": not readiness.problem,
        "problem": readiness.problem,
        "warnings": edge_of(request).warnings,
        "stages": nodes,
    }
    return JSONResponse(document, 503 if readiness.problem else 200)


@operations.get("/metrics", operation_id="get_metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Return the edge's metrics, for Prometheus."""
    edge = edge_of(request)
    if edge.jobs is not None:
        await edge.jobs.observe()
    return Response(edge.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@operations.get(
    "/metrics/torchserve",
    operation_id="get_torchserve_metrics",
    response_class=PlainTextResponse,
    responses=openapi.problems({503: "TorchServe does not answer"}),
)
async def torchserve_metrics(request: Request) -> Response:
    """Return TorchServe's own metrics, for Prometheus, which cannot reach it: it listens on loopback only."""
    return Response(await edge_of(request).client.metrics(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
