"""The route that submits many jobs at once, whose pictures lie elsewhere."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from gateway.errors import BadRequest
from gateway.http.problems import problem_response
from gateway.jobs.records import PATH, Record
from gateway.restore.returns import check_accept
from gateway.restore.upload import patience_of
from gateway.routes import jobs_openapi
from gateway.routes.authorization import require_key
from gateway.routes.edge import edge_of
from gateway.routes.job_schemas import MOST_ORDERS
from gateway.routes.orders import check_key, make_order
from gateway.routes.queries import parse
from gateway.routes.submission import jobs_of, record_of_source
from photorestore.errors import PayloadTooLarge, RestorationError, UnsupportedOption

MOST_BYTES = 1 << 20
"""Of a batch."""

batches = APIRouter(prefix=PATH, dependencies=[Depends(require_key)], tags=["jobs"])
_STRICT = ConfigDict(extra="forbid", strict=True)


class _Item(BaseModel):
    """One job of a batch."""

    model_config = _STRICT

    source: str
    result: str | None = None
    webhook: str | None = None
    idempotency_key: str | None = None
    returned: Annotated[str | None, Field(alias="return")] = None
    options: dict[str, object] = {}


class _Batch(BaseModel):
    """What is sent. Its jobs are looked at one by one, so that one that is wrong spoils no other."""

    model_config = _STRICT

    jobs: Annotated[list[object], Field(min_length=1, max_length=MOST_ORDERS)]
    options: dict[str, object] = {}


@batches.post(
    "/batch",
    operation_id="submit_jobs",
    response_class=JSONResponse,
    responses=jobs_openapi.batch_answers(),
    openapi_extra=jobs_openapi.batch_operation(),
)
async def submit_all(request: Request) -> Response:
    """Submit many jobs whose pictures lie elsewhere; the answer tells of each whether it was taken, and why not."""
    kept = jobs_of(request)
    check_accept("application/json", request.headers.get("accept", ""))
    if names := sorted(request.query_params.keys()):
        raise BadRequest(f"the query has {', '.join(names)}; expected all in the body")
    if "idempotency-key" in request.headers:
        raise BadRequest(
            "Idempotency-Key stands for one job; expected an idempotency_key in each of the batch"
        )
    batch = await _read(request)
    entered = [await _enter(request, given, batch.options) for given in batch.jobs]
    answers: list[dict[str, object]] = []
    waits = [0]  # seconds
    for one in entered:
        if isinstance(one, Response):
            waits.append(int(one.headers.get("retry-after", 0)))
            answers.append({"status": one.status_code, "job": None, "problem": json.loads(bytes(one.body))})
        else:
            record, is_new = one
            answers.append(
                {"status": 202 if is_new else 200, "job": await kept.describe(record), "problem": None}
            )
    headers = {"Retry-After": str(max(waits))} if max(waits) else {}
    return JSONResponse({"jobs": answers}, headers={"Cache-Control": "no-store", **headers})


async def _read(request: Request) -> _Batch:
    """Receive a batch.

    Raises:
        BadRequest: it is none.
        PayloadTooLarge, UploadTooSlow: it is too long, or comes too slowly.
    """
    body = bytearray()
    async with patience_of(edge_of(request).intake.pace) as patience:
        async for chunk in request.stream():
            patience.grow(len(chunk))
            body += chunk
            if len(body) > MOST_BYTES:
                raise PayloadTooLarge(f"the batch has more than {MOST_BYTES} bytes; send several")
    try:
        return _Batch.model_validate_json(bytes(body))
    except ValidationError as error:
        raise BadRequest(f"the batch is not as expected: {_told(error)}") from None


async def _enter(
    request: Request, given: object, shared: dict[str, object]
) -> tuple[Record, bool] | Response:
    """Submit one job; return it and whether it is new, or the problem document that it would be answered with."""
    try:
        record = _record(request, given, shared)
        return await jobs_of(request).submit(record)
    except RestorationError as error:
        edge_of(request).of_requests.count(error)
        return problem_response(error, request.state.request_id)


def _record(request: Request, given: object, shared: dict[str, object]) -> Record:
    """Return the record of one job.

    Raises:
        UnsupportedOption, PlaceNotAllowed, UnavailableTier: as for a job that is submitted alone.
    """
    if not isinstance(given, dict):
        raise UnsupportedOption("the job is no JSON object; expected one with a source")
    try:
        item = _Item.model_validate(given)
    except ValidationError as error:
        raise UnsupportedOption(f"the job is not as expected: {_told(error)}") from None
    pairs = {name: value for name, value in (shared | item.options).items() if value is not None}
    if item.returned is not None:
        pairs["return"] = item.returned
    asked = parse(pairs.items(), edge_of(request).presets)
    order = make_order(asked, jobs_of(request), item.webhook, item.source, item.result)
    return record_of_source(request, order, check_key(item.idempotency_key))


def _told(error: ValidationError) -> str:
    """Say what is wrong, without the values, which may hold a signature."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in found[:5])
