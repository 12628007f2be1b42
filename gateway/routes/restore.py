"""The routes that restore a picture while the caller waits: restore and analyze."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.errors import PreconditionFailed
from gateway.http.conditional import etag_of, if_none_match
from gateway.http.disconnect import until_left
from gateway.jobs.records import PATH as JOBS_PATH
from gateway.restore.parts import Fields
from gateway.restore.returns import MASKS, OCTETS, check_accept, choose_type, names_no_picture
from gateway.restore.runner import Finished
from gateway.routes import openapi
from gateway.routes.answers import answer
from gateway.routes.authorization import check_key, require_key
from gateway.routes.edge import Edge, edge_of
from gateway.routes.queries import FINDING, ask, pairs_of, require_colours
from gateway.routes.timing import server_timing
from photorestore.errors import UnsupportedOption
from photorestore.long_work import long_methods
from photorestore.options import STAGES, Options
from photorestore.records import document_of
from photorestore.workspace import Workspace

REPORTED = ("report", "bundle", "analysis")
"""Answers that show what was measured."""

restoring = APIRouter(prefix="/v1", dependencies=[Depends(require_key)], tags=["pictures"])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants.

    Attributes:
        kind: the part of the result that is returned, one of `RETURNS`, or `analysis`.
        options: of the restoration.
        accept: chooses the picture's format; empty if anything will do.
        content_type: by which the answer is sent; empty for the picture's own.
    """

    kind: str
    options: Options
    accept: str = ""
    content_type: str = ""


@restoring.post(
    "/restore",
    operation_id="restore",
    response_class=Response,
    responses=openapi.answers(openapi.PICTURES),
    openapi_extra=openapi.restore_operation(),
)
async def restore(request: Request) -> Response:
    """Restore a picture, sent as the body or as the part `image` of a form, which may also have a `mask`."""
    return await _restore(request)


async def restore_directly(scope: Scope, receive: Receive, send: Send) -> None:
    """Run `restore` without FastAPI's layers, which take a tenth of the edge's time for a picture: see ADR 5."""
    request = Request(scope, receive, send)
    check_key(request)
    response = await restore(request)
    await response(scope, receive, send)


@restoring.post(
    "/restore/mask",
    operation_id="restore_mask",
    response_class=Response,
    responses=openapi.answers(openapi.MASK),
    openapi_extra=openapi.restore_operation(),
)
async def restore_mask(request: Request) -> Response:
    """Return the mask of what would be filled: a PNG of the picture's size. Nothing is restored for it."""
    return await _restore(request, "mask")


@restoring.post(
    "/restore/confidence",
    operation_id="restore_confidence",
    response_class=Response,
    responses=openapi.answers(openapi.MASK),
    openapi_extra=openapi.restore_operation(),
)
async def restore_confidence(request: Request) -> Response:
    """Give a picture colours and return how sure they are: a grey PNG of its size, white if told."""
    return await _restore(request, "confidence")


@restoring.post(
    "/restore/report",
    operation_id="restore_report",
    response_class=JSONResponse,
    responses=openapi.answers(openapi.document("Report")),
    openapi_extra=openapi.restore_operation(),
)
async def restore_report(request: Request) -> Response:
    """Restore a picture and return the report: what was found, and what each stage did and why."""
    return await _restore(request, "report")


@restoring.post(
    "/restore/bundle",
    operation_id="restore_bundle",
    response_class=Response,
    responses=openapi.answers(openapi.BUNDLES),
    openapi_extra=openapi.restore_operation(),
)
async def restore_bundle(request: Request) -> Response:
    """Restore a picture and return it with its masks and its report, as the parts of one answer."""
    return await _restore(request, "bundle")


@restoring.post(
    "/analyze",
    operation_id="analyze",
    response_class=JSONResponse,
    responses=openapi.answers(openapi.document("Analysis")),
    openapi_extra=openapi.analyze_operation(),
)
async def analyze(request: Request) -> Response:
    """Find what is wrong with a picture, without restoring it."""
    _, finished, headers = await _produce(request, functools.partial(_want_analysis, request))
    report = finished.result.report
    found = {stage: report.estimates[stage] for stage in STAGES[:-1] if stage in report.estimates}
    return JSONResponse({"source": document_of(report.source), "found": found}, headers=headers)


async def _restore(request: Request, returned: str | None = None) -> Response:
    """Answer with a part of the result; by default with the part that the request names."""
    wanted, finished, headers = await _produce(request, functools.partial(_want, request, returned))
    content_type = wanted.content_type or finished.result.content_type
    return answer(wanted.kind, finished.result, content_type, headers, edge_of(request).transfers)


def _want(request: Request, returned: str | None, fields: Fields) -> Wanted:
    asked = ask(request, fields, returned)
    accept = request.headers.get("accept", "")
    if asked.returned != "image":
        options = replace(asked.options, **FINDING) if asked.returned == "mask" else asked.options
        return Wanted(asked.returned, options, content_type=choose_type(asked.returned, accept))
    if names_no_picture(accept):
        return Wanted("image", asked.options, content_type=OCTETS)
    return Wanted("image", asked.options, accept)


def _want_analysis(request: Request, fields: Fields) -> Wanted:
    asked = ask(request, fields)
    names = {*request.query_params, *(name for name, _ in pairs_of(fields))}
    if unknown := sorted(names - {"timeout"}):
        raise UnsupportedOption(f"unknown option {', '.join(unknown)}; there is timeout")
    check_accept("application/json", request.headers.get("accept", ""))
    return Wanted("analysis", replace(asked.options, **FINDING, format="jpeg", quality=1, metadata="strip"))


async def _produce(
    request: Request, want: Callable[[Fields], Wanted]
) -> tuple[Wanted, Finished, dict[str, str]]:
    """Receive the upload and restore it; return what is wanted, the result and the headers of the answer.

    Args:
        want: returns what the request wants, from the form's fields; those are empty until the form has been received.
    """
    start, edge = time.perf_counter(), edge_of(request)
    wanted = want(())
    _check_time(edge, wanted.options)
    if edge.rates is not None:
        await edge.rates.check(request.state.caller)
    edge.transfers.check_answers(request.state.caller)
    label = request.state.request_id
    root = edge.settings.workspace_root
    workspace = Workspace.create(root, wanted.options, request_id=label, accept=wanted.accept)
    workspace.envelope.answer, workspace.envelope.measures_all = "report", wanted.kind in REPORTED

    def settle(fields: Fields) -> bool:
        nonlocal wanted
        if fields:
            wanted = want(fields)
            _check_time(edge, wanted.options)
            workspace.envelope.options, workspace.envelope.accept = wanted.options, wanted.accept
            workspace.envelope.measures_all = wanted.kind in REPORTED
        require_colours(wanted.kind, wanted.options)
        return wanted.kind in (*MASKS, "bundle")

    is_handed_over = False
    try:
        prepared = await edge.intake.take_in(request, request.state.caller, workspace, settle)
        etag = etag_of(prepared.key, wanted.kind)
        _check_if_none_match(request, etag)
        is_handed_over = True
    finally:
        if not is_handed_over:
            workspace.remove()
    received = time.perf_counter()
    async with until_left(request.receive):
        finished = await edge.runner.restore(prepared, request.state.caller)
    timing = server_timing(finished, received - start, time.perf_counter() - received)
    return wanted, finished, {"ETag": etag, "Server-Timing": timing, "Vary": "Accept"}


def _check_time(edge: Edge, options: Options) -> None:
    """Refuse what takes minutes, for which nobody should wait with a connection held open.

    Raises:
        UnsupportedOption: options ask for it.
    """
    if named := long_methods(options):
        path = f"{edge.settings.public_path}{JOBS_PATH}"
        raise UnsupportedOption(f"{named} takes minutes: submit the picture as a job, POST {path}")


def _check_if_none_match(request: Request, etag: str) -> None:
    """Refuse to restore what the caller already has. `*` matches nothing: before a run there is no result."""
    if etag.removeprefix("W/") in if_none_match(request):
        raise PreconditionFailed(etag)
