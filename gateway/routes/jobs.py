"""The routes of jobs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from dataclasses import replace

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from gateway.errors import BadRequest, NotFound
from gateway.http.conditional import etag_of, if_none_match
from gateway.jobs import clock
from gateway.jobs.disk_trouble import trouble_means_retry
from gateway.jobs.records import ENDED, Record, Webhook, Work
from gateway.jobs.service import Jobs
from gateway.restore.parts import Received
from gateway.restore.returns import MEDIA_TYPES, check_accept
from gateway.routes import jobs_openapi
from gateway.routes.answers import answer
from gateway.routes.authorization import require_key
from gateway.routes.edge import edge_of
from gateway.routes.queries import FINDING, parse_query, read_return
from gateway.telemetry.tracing import current_traceparent
from photorestore.directories import token_of
from photorestore.errors import UnsupportedOption
from photorestore.housekeeping import LONGEST_TIMEOUT_S
from photorestore.options import Options

_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
RUNNING_RETRY_S = 1.0

jobs = APIRouter(prefix="/v1/jobs", dependencies=[Depends(require_key)], tags=["jobs"])


@jobs.post(
    "",
    operation_id="submit_job",
    status_code=202,
    response_class=JSONResponse,
    responses=jobs_openapi.submit_answers(),
    openapi_extra=jobs_openapi.submit_operation(),
)
async def submit(request: Request) -> Response:
    """Submit a picture to be restored later, without waiting; the upload is as for `/v1/restore`."""
    kept = jobs_of(request)
    check_accept("application/json", request.headers.get("accept", ""))
    options, kind, webhook = _parse(request)
    if webhook is not None:
        kept.webhooks.check(webhook)
    key = _idempotency_key(request)
    await kept.check_room(request.state.caller, key)
    record, is_new = await _enter(request, options, kind, webhook, key)
    headers = {"Location": record.path, **_hint(request, record)}
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
    responses=jobs_openapi.result_answers(),
    openapi_extra=jobs_openapi.result_operation(),
)
async def result(request: Request, job_id: str) -> Response:
    """Return the result of a job."""
    record = await jobs_of(request).find(job_id, request.state.caller)
    kind = _parse_kind(request, record)
    found = await jobs_of(request).result(record, kind)
    check_accept(MEDIA_TYPES.get(kind, found.content_type), request.headers.get("accept", ""))
    etag = etag_of(record.outcome.key if record.outcome else "", kind)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if not if_none_match(request).isdisjoint({etag.removeprefix("W/"), "*"}):
        return Response(None, 304, headers=headers)
    return answer(kind, found, headers, edge_of(request).transfers)


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


def jobs_of(request: Request) -> Jobs:
    """Return the application's jobs.

    Raises:
        NotFound: the service keeps no jobs.
    """
    found = edge_of(request).jobs
    if found is None:
        raise NotFound("this service keeps no jobs: it was started without --jobs-dir")
    return found


async def _enter(
    request: Request, options: Options, kind: str, webhook: str | None, key: str | None
) -> tuple[Record, bool]:
    """Receive the upload onto the disk and submit the job; return it and whether it is new."""
    kept = jobs_of(request)
    upload = kept.files.new_upload(options, request.state.request_id)
    is_handed_over = False
    try:
        with trouble_means_retry():
            prepared = await edge_of(request).intake.take_in(
                request, request.state.caller, upload, wants_mask=True
            )
        record = Record(
            id=token_of(upload.envelope.workspace_id),
            owner=request.state.caller,
            idempotency_key=key,
            fingerprint=_fingerprint(prepared.received, options, kind, webhook),
            work=Work(
                upload=upload.envelope.workspace_id,
                upload_bytes=await asyncio.to_thread(kept.files.secure, upload),
                received=prepared.received,
                pixels=prepared.pixels,
                options=options.to_mapping(),
                kind=kind,
                request_id=request.state.request_id,
                promise=upload.envelope.promise,
                traceparent=current_traceparent(),
            ),
            created=clock.now(),
            webhook=None if webhook is None else Webhook(webhook),
        )
        is_handed_over = True
    finally:
        if not is_handed_over:
            upload.remove()
    return await kept.submit(record)


def _parse(request: Request) -> tuple[Options, str, str | None]:
    """Return the options, the part to return, and the webhook. Nobody waits, so the default time-out is the longest."""
    pairs = request.query_params.multi_items()
    webhooks = [text for name, text in pairs if name == "webhook"]
    if len(webhooks) > 1:
        raise UnsupportedOption("webhook is given twice")
    options, kind = parse_query(tuple((name, text) for name, text in pairs if name != "webhook"))
    if "timeout" not in request.query_params:
        options = replace(options, timeout_s=LONGEST_TIMEOUT_S)
    if kind == "mask":
        options = replace(options, **FINDING)
    return options, kind, webhooks[0] if webhooks else None


def _parse_kind(request: Request, record: Record) -> str:
    """Return which part of the result is asked for."""
    pairs = request.query_params.multi_items()
    if unknown := sorted({name for name, _ in pairs} - {"return"}):
        raise UnsupportedOption(f"unknown option {', '.join(unknown)}; there is return")
    return read_return(pairs[-1][1]) if pairs else record.work.kind


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.match(key):
        raise BadRequest("Idempotency-Key is not as expected: up to 255 visible characters of ASCII")
    return key


def _fingerprint(received: Received, options: Options, kind: str, webhook: str | None) -> str:
    parts = [received.image, received.mask, options.to_mapping(), kind, webhook]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _hint(request: Request, record: Record) -> dict[str, str]:
    """Return the headers that say how soon to ask again."""
    if record.state in ENDED:
        return {"Cache-Control": "no-store"}
    wait_s = edge_of(request).admission.retry_after_s if record.state == "queued" else RUNNING_RETRY_S
    return {"Cache-Control": "no-store", "Retry-After": str(math.ceil(wait_s))}
