"""The routes that restore a picture while the caller waits: restore and analyze."""

from __future__ import annotations

import time
from dataclasses import replace

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.errors import PreconditionFailed
from gateway.http.conditional import etag_of, if_none_match
from gateway.http.disconnect import until_left
from gateway.restore.returns import MEDIA_TYPES, check_accept
from gateway.restore.runner import Finished
from gateway.routes import openapi
from gateway.routes.answers import answer
from gateway.routes.authorization import check_key, require_key
from gateway.routes.edge import edge_of
from gateway.routes.queries import FINDING, parse_query
from gateway.routes.timing import server_timing
from photorestore.errors import UnsupportedOption
from photorestore.imaging.files.sniff import ACCEPTED
from photorestore.options import STAGES, Options
from photorestore.records import document_of
from photorestore.workspace import Workspace

REPORTED = ("report", "bundle", "analysis")
"""Answers that show what was measured."""

restoring = APIRouter(prefix="/v1", dependencies=[Depends(require_key)], tags=["pictures"])


@restoring.post(
    "/restore",
    operation_id="restore",
    response_class=Response,
    responses=openapi.answers(
        {
            **{f"image/{name}": {"schema": openapi.BINARY} for name in ACCEPTED},
            "application/json": {"schema": {"type": "object"}},
            "multipart/mixed": {"schema": openapi.BINARY},
        }
    ),
    openapi_extra=openapi.restore_operation(),
)
async def restore(request: Request) -> Response:
    """Restore a picture, sent as the body or as the part `image` of a form, which may also have a `mask`."""
    options, kind = parse_query(tuple(request.query_params.multi_items()))
    accept = request.headers.get("accept", "")
    if kind != "image":
        check_accept(MEDIA_TYPES[kind], accept)
        accept = ""
    if kind == "mask":
        options = replace(options, **FINDING)
    finished, headers = await _produce(request, options, accept, kind)
    return answer(kind, finished.result, headers, edge_of(request).transfers)


async def restore_directly(scope: Scope, receive: Receive, send: Send) -> None:
    """Run `restore` without FastAPI's layers, which take a tenth of the edge's time for a picture: see ADR 5."""
    request = Request(scope, receive, send)
    check_key(request)
    response = await restore(request)
    await response(scope, receive, send)


@restoring.post(
    "/analyze",
    operation_id="analyze",
    response_class=JSONResponse,
    responses=openapi.answers({"application/json": {"schema": {"type": "object"}}}),
    openapi_extra=openapi.analyze_operation(),
)
async def analyze(request: Request) -> Response:
    """Find what is wrong with a picture, without restoring it."""
    if unknown := sorted(request.query_params.keys() - {"timeout"}):
        raise UnsupportedOption(f"unknown option {', '.join(unknown)}; there is timeout")
    options, _ = parse_query(tuple(request.query_params.multi_items()))
    check_accept("application/json", request.headers.get("accept", ""))
    options = replace(options, **FINDING, format="jpeg", quality=1, metadata="strip")
    finished, headers = await _produce(request, options, "", "analysis")
    report = finished.result.report
    found = {stage: report.estimates[stage] for stage in STAGES[:-1] if stage in report.estimates}
    return JSONResponse({"source": document_of(report.source), "found": found}, headers=headers)


async def _produce(
    request: Request, options: Options, accept: str, kind: str
) -> tuple[Finished, dict[str, str]]:
    """Receive the upload and restore it; return the result and the headers of the answer."""
    start, edge = time.perf_counter(), edge_of(request)
    edge.transfers.check_answers(request.state.caller)
    label = request.state.request_id
    workspace = Workspace.create(edge.settings.workspace_root, options, request_id=label, accept=accept)
    workspace.envelope.answer, workspace.envelope.measures_all = "report", kind in REPORTED
    is_handed_over = False
    try:
        prepared = await edge.intake.take_in(
            request, request.state.caller, workspace, wants_mask=kind in ("mask", "bundle")
        )
        etag = etag_of(prepared.key, kind)
        _check_if_none_match(request, etag)
        is_handed_over = True
    finally:
        if not is_handed_over:
            workspace.remove()
    received = time.perf_counter()
    async with until_left(request.receive):
        finished = await edge.runner.restore(prepared, request.state.caller)
    timing = server_timing(finished, received - start, time.perf_counter() - received)
    return finished, {"ETag": etag, "Server-Timing": timing, "Vary": "Accept"}


def _check_if_none_match(request: Request, etag: str) -> None:
    """Refuse to restore what the caller already has. `*` matches nothing: before a run there is no result."""
    if etag.removeprefix("W/") in if_none_match(request):
        raise PreconditionFailed(etag)
