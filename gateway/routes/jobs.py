"""The routes of jobs."""

from __future__ import annotations

import math

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from gateway.http.conditional import etag_of, if_none_match
from gateway.http.ranges import range_of
from gateway.jobs.records import ENDED, PATH, Record
from gateway.restore.returns import FILES, check_accept, choose_type
from gateway.routes import jobs_openapi, openapi
from gateway.routes.answers import answer
from gateway.routes.authorization import require_key
from gateway.routes.edge import edge_of
from gateway.routes.orders import idempotency_key, order_of
from gateway.routes.queries import read_return
from gateway.routes.submission import jobs_of, record_of
from photorestore.errors import UnsupportedOption

RUNNING_RETRY_S = 1.0


jobs = APIRouter(prefix=PATH, dependencies=[Depends(require_key)], tags=["jobs"])


@jobs.post(
    "",
    operation_id="submit_job",
    status_code=202,
    response_class=JSONResponse,
    responses=jobs_openapi.submit_answers(),
    openapi_extra=jobs_openapi.submit_operation(),
)
async def submit(request: Request) -> Response:
    """Submit a picture to be restored later, without waiting; the upload is as for `/v1/restore`.

    With `source` there is none: the service fetches the picture.
    """
    kept = jobs_of(request)
    check_accept("application/json", request.headers.get("accept", ""))
    order = order_of(request, (), kept)
    key = idempotency_key(request)
    await kept.check_room(request.state.caller, key)
    record = await record_of(request, order, key)
    record, is_new = await kept.submit(record)
    headers = {"Location": kept.path_of(record), **_hint(request, record)}
    return JSONResponse(await kept.describe(record), 202 if is_new else 200, headers=headers)


@jobs.get(
    "/{job_id}", operation_id="get_job", response_class=JSONResponse, responses=jobs_openapi.job_answers()
)
async def job(request: Request, job_id: str) -> Response:
    """Return the state of a job."""
    record = await jobs_of(request).find(job_id, request.state.caller)
    return JSONResponse(await jobs_of(request).describe(record), headers=_hint(request, record))


@jobs.get(
    "/{job_id}/result",
    operation_id="get_job_result",
    response_class=Response,
    responses=jobs_openapi.result_answers(openapi.PICTURES),
)
async def result(request: Request, job_id: str) -> Response:
    """Return the result of a job: what `return` asked for when it was submitted, which is the picture by default."""
    return await _result(request, job_id)


@jobs.get(
    "/{job_id}/result/mask",
    operation_id="get_job_mask",
    response_class=Response,
    responses=jobs_openapi.result_answers(openapi.MASK),
)
async def mask(request: Request, job_id: str) -> Response:
    """Return the mask of what a job has filled: a PNG of the picture's size."""
    return await _result(request, job_id, "mask")


@jobs.get(
    "/{job_id}/result/confidence",
    operation_id="get_job_confidence",
    response_class=Response,
    responses=jobs_openapi.result_answers(openapi.MASK),
)
async def confidence(request: Request, job_id: str) -> Response:
    """Return how sure the colours are that a job has given: a grey PNG of the picture's size, white if told."""
    return await _result(request, job_id, "confidence")


@jobs.get(
    "/{job_id}/result/report",
    operation_id="get_job_report",
    response_class=JSONResponse,
    responses=jobs_openapi.result_answers(openapi.document("Report")),
)
async def report(request: Request, job_id: str) -> Response:
    """Return a job's report: what was found, and what each stage did and why."""
    return await _result(request, job_id, "report")


@jobs.get(
    "/{job_id}/result/bundle",
    operation_id="get_job_bundle",
    response_class=Response,
    responses=jobs_openapi.result_answers(openapi.BUNDLES),
)
async def bundle(request: Request, job_id: str) -> Response:
    """Return the picture, the masks and the report of a job as the parts of one answer."""
    return await _result(request, job_id, "bundle")


@jobs.delete(
    "/{job_id}",
    operation_id="delete_job",
    status_code=204,
    response_class=Response,
    responses=jobs_openapi.delete_answers(),
)
async def delete(request: Request, job_id: str) -> Response:
    """Cancel a job; one that has ended is deleted with its result."""
    record = await jobs_of(request).find(job_id, request.state.caller)
    await jobs_of(request).end(record)
    return Response(None, 204)


async def _result(request: Request, job_id: str, kind: str | None = None) -> Response:
    """Answer with a part of a job's result; by default with the one that the query or the job names."""
    record = await jobs_of(request).find(job_id, request.state.caller)
    kind = _parse_kind(request, kind or record.work.kind, has_return=kind is None)
    found = await jobs_of(request).result(record, kind)
    content_type = choose_type(kind, request.headers.get("accept", ""), found.content_type)
    etag = etag_of(record.outcome.key if record.outcome else "", kind)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if not if_none_match(request).isdisjoint({etag.removeprefix("W/"), "*"}):
        return Response(None, 304, headers=headers)
    part = None
    if kind in FILES:
        headers["Accept-Ranges"] = "bytes"
        part = range_of(request, len(found.file(kind)), etag)
    return answer(kind, found, content_type, headers, edge_of(request).transfers, part)


def _parse_kind(request: Request, kind: str, *, has_return: bool) -> str:
    """Return which part of the result is asked for: `kind`, unless the query may name another one and does."""
    known = {"return"} if has_return else set[str]()
    if unknown := sorted(request.query_params.keys() - known):
        raise UnsupportedOption(
            f"unknown option {', '.join(unknown)}; there is {'return' * has_return or 'none'}"
        )
    return read_return(request.query_params.get("return", kind))


def _hint(request: Request, record: Record) -> dict[str, str]:
    """Return the headers that say how soon to ask again."""
    if record.state in ENDED:
        return {"Cache-Control": "no-store"}
    wait_s = edge_of(request).admission.retry_after_s if record.state == "queued" else RUNNING_RETRY_S
    return {"Cache-Control": "no-store", "Retry-After": str(math.ceil(wait_s))}
