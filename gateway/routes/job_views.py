"""The routes by which callers follow many jobs, or one as it goes on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from gateway.errors import KeysNeeded, NotFound
from gateway.jobs.records import ENDED, PATH, STATES, Record
from gateway.routes import jobs_openapi
from gateway.routes.authorization import require_key
from gateway.routes.edge import edge_of
from gateway.routes.submission import jobs_of
from photorestore.errors import UnsupportedOption

LOOK_EVERY_S = 1.0
QUIET_S = 15.0
"""Seconds without an event after which a comment is sent, so that no proxy takes the connection for dead."""
MOST, USUAL = 200, 50
"""Jobs on a page."""
_BEFORE = re.compile(r"([0-9]{1,12}\.[0-9]{1,9})-(\w{1,64})")

job_views = APIRouter(prefix=PATH, dependencies=[Depends(require_key)], tags=["jobs"])


@job_views.get(
    "",
    operation_id="list_jobs",
    response_class=JSONResponse,
    responses=jobs_openapi.page_answers(),
    openapi_extra=jobs_openapi.page_operation(USUAL, MOST),
)
async def page(request: Request) -> Response:
    """Return the caller's jobs, the latest first, a page at a time; only where API keys tell callers apart."""
    kept = jobs_of(request)
    if edge_of(request).keys is None:  # all callers are one: each would be shown everybody's pictures
        raise KeysNeeded("jobs are listed for callers with API keys only; without one, keep the job's id")
    state, limit, before = _read_page(dict(request.query_params))
    found = await asyncio.to_thread(kept.store.page, request.state.caller, state, before, limit + 1)
    shown = found[:limit]
    following = None
    if len(found) > limit:
        query = f"limit={limit}" + (f"&state={state}" if state else "")
        following = f"{kept.path}?{query}&before={shown[-1].created!r}-{shown[-1].id}"
    documents = [await kept.describe(record) for record in shown]
    return JSONResponse(
        {"jobs": documents, "links": {"next": following}}, headers={"Cache-Control": "no-store"}
    )


@job_views.get(
    "/{job_id}/events",
    operation_id="follow_job",
    response_class=StreamingResponse,
    responses=jobs_openapi.events_answers(),
)
async def events(request: Request, job_id: str) -> Response:
    """Send the job each time that it has changed, as server-sent events, until it has ended."""
    record = await jobs_of(request).find(job_id, request.state.caller)
    return StreamingResponse(
        _events(request, record),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request, record: Record) -> AsyncIterator[str]:
    kept, readiness = jobs_of(request), edge_of(request).readiness
    sent, quiet_s = dict[str, object](), 0.0
    while True:
        seen = await kept.describe(record)
        changing = {name: value for name, value in seen.items() if name != "seconds_left"}  # runs by itself
        if changing != sent:
            yield f"event: {record.state}\ndata: {json.dumps(seen)}\n\n"
            sent, quiet_s = changing, 0.0
        elif quiet_s >= QUIET_S:
            yield ": still\n\n"
            quiet_s = 0.0
        if record.state in ENDED or readiness.draining_since is not None:
            return
        await asyncio.sleep(LOOK_EVERY_S)
        quiet_s += LOOK_EVERY_S
        try:
            record = await kept.find(record.id, record.owner)
        except NotFound:  # deleted meanwhile
            return


def _read_page(query: dict[str, str]) -> tuple[str | None, int, tuple[float, str] | None]:
    """Return the state, the number of jobs, and the creation and id of the job before which the page begins.

    Raises:
        UnsupportedOption: one of them is not as expected, or there are others.
    """
    if unknown := sorted(query.keys() - {"state", "limit", "before"}):
        raise UnsupportedOption(f"unknown option {', '.join(unknown)}; there are before, limit, state")
    state, limit, before = query.get("state"), query.get("limit", str(USUAL)), query.get("before")
    if state is not None and state not in STATES:
        raise UnsupportedOption(f"state is {state[:64]!r}; expected one of {', '.join(STATES)}")
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST:
        raise UnsupportedOption(f"limit is {limit[:64]!r}; expected a whole number from 1 to {MOST}")
    place = None if before is None else _BEFORE.fullmatch(before)
    if before is not None and place is None:
        raise UnsupportedOption("before is not as `links.next` of a page has it")
    return state, int(limit), None if place is None else (float(place[1]), place[2])
