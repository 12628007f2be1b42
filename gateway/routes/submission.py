"""From a request to the records of the jobs that it submits."""

from __future__ import annotations

import asyncio

from fastapi import Request

from gateway.errors import BadRequest, NotFound
from gateway.jobs import clock
from gateway.jobs.disk_trouble import trouble_means_retry
from gateway.jobs.records import Record, Webhook, Work
from gateway.jobs.service import Jobs
from gateway.restore.parts import Fields
from gateway.restore.upload import patience_of
from gateway.routes.edge import edge_of
from gateway.routes.orders import Order, fingerprint, order_of
from gateway.routes.queries import require_colours
from gateway.telemetry.tracing import current_traceparent
from photorestore.directories import new_name, token_of
from photorestore.errors import UnsupportedOption
from photorestore.long_work import check_size
from photorestore.methods import EXEMPLAR, TRANSFER


def jobs_of(request: Request) -> Jobs:
    """Return the application's jobs.

    Raises:
        NotFound: the service keeps no jobs.
    """
    found = edge_of(request).jobs
    if found is None:
        raise NotFound("this service keeps no jobs: it was started without --jobs-dir and --jobs-url")
    return found


async def record_of(request: Request, order: Order, key: str | None) -> Record:
    """Receive the upload onto the disk, if there is one; return the record of the job.

    Args:
        order: by the query alone.
        key: the idempotency key.

    Raises:
        BadRequest: there is an upload although the order names a source.
        InvalidInput, TooManyRequests, OutOfSpace: as `Intake.take_in`.
    """
    if order.source is None:
        return await _record_of_upload(request, order, key)
    async with patience_of(edge_of(request).intake.pace):
        async for chunk in request.stream():
            if chunk:
                raise BadRequest("source is given, and an upload, too; expected one of them")
    return record_of_source(request, order, key)


def record_of_source(request: Request, order: Order, key: str | None) -> Record:
    """Return the record of a job whose picture lies elsewhere.

    Raises:
        UnsupportedOption: it is wanted how sure colours are that are not asked for, or colours are wanted that need a
            reference.
        UnavailableTier, UnavailableNetwork: it does not exist.
    """
    require_colours(order.kind, order.options)
    if order.options.colorize in (EXEMPLAR, TRANSFER):
        raise UnsupportedOption(
            f"colorize={order.options.colorize} needs a reference, which only comes with an upload"
        )
    edge_of(request).release.require(order.options)
    name = new_name(0)
    work = Work(
        upload=name,  # of a folder that is never made
        upload_bytes=0,
        received=None,
        pixels=None,
        options=order.options.to_mapping(),
        kind=order.kind,
        request_id=request.state.request_id,
        traceparent=current_traceparent(),
        source=order.source or "",
        result=order.result or "",
    )
    return _record(request, order, key, work)


async def _record_of_upload(request: Request, order: Order, key: str | None) -> Record:
    kept = jobs_of(request)
    upload = kept.files.new_upload(order.options, request.state.request_id)

    def settle(fields: Fields) -> bool:
        nonlocal order
        if fields:
            order = order_of(request, fields, kept)
            upload.envelope.options = order.options
        if order.source is not None:
            raise UnsupportedOption("source is given in a form that is an upload; expected it in the query")
        require_colours(order.kind, order.options)
        return True

    is_handed_over = False
    try:
        with trouble_means_retry():
            prepared = await edge_of(request).intake.take_in(request, request.state.caller, upload, settle)
        check_size(order.options, prepared.pixels)
        work = Work(
            upload=upload.envelope.workspace_id,
            upload_bytes=await asyncio.to_thread(kept.files.secure, upload),
            received=prepared.received,
            pixels=prepared.pixels,
            options=order.options.to_mapping(),
            kind=order.kind,
            request_id=request.state.request_id,
            promise=upload.envelope.promise,
            traceparent=current_traceparent(),
            result=order.result or "",
        )
        is_handed_over = True
    finally:
        if not is_handed_over:
            upload.remove()
    return _record(request, order, key, work)


def _record(request: Request, order: Order, key: str | None, work: Work) -> Record:
    return Record(
        id=token_of(work.upload),
        owner=request.state.caller,
        idempotency_key=key,
        fingerprint=fingerprint(work.received, order),
        work=work,
        created=clock.now(),
        webhook=None if order.webhook is None else Webhook(order.webhook),
    )
