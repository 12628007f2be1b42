"""Orders of jobs: what a request to submit one asks for."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace

from fastapi import Request

from gateway.errors import BadRequest
from gateway.jobs.allowed import shown
from gateway.jobs.service import Jobs
from gateway.restore.parts import Fields, Received
from gateway.routes.queries import FINDING, Asked, ask, pairs_of
from photorestore.errors import UnsupportedOption
from photorestore.housekeeping import LONGEST_TIMEOUT_S
from photorestore.options import Options

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_APART = frozenset({"webhook", "source", "result"})


@dataclass(frozen=True, slots=True)
class Order:
    """What a job is to do.

    Attributes:
        options: of the restoration.
        kind: the part of the result that it is for, one of `RETURNS`.
        webhook: who is told of its end; None for nobody.
        source: where the picture lies; None if it is uploaded.
        result: where the result is written to; None if it is only kept.
    """

    options: Options
    kind: str
    webhook: str | None
    source: str | None = None
    result: str | None = None


def order_of(request: Request, fields: Fields, kept: Jobs) -> Order:
    """Return what is ordered by a query and a form's fields.

    Raises:
        UnsupportedOption: as in `queries.parse`; or the webhook may not be told, or a place is none.
        PlaceNotAllowed: the operator does not allow a place.
    """
    apart: dict[str, str] = {}
    for name, value in [*request.query_params.multi_items(), *pairs_of(fields)]:
        if name in _APART:
            if name in apart:
                raise UnsupportedOption(f"{name} is given twice")
            apart[name] = str(value)
    return make_order(ask(request, fields, apart=_APART), kept, **apart)


def make_order(
    asked: Asked, kept: Jobs, webhook: str | None = None, source: str | None = None, result: str | None = None
) -> Order:
    """Return what is ordered. Nobody waits, so the default time-out is the longest.

    Raises:
        UnsupportedOption: the webhook may not be told, or a place is none.
        PlaceNotAllowed: the operator does not allow a place.
    """
    options = asked.options
    if "timeout" not in asked.named:
        options = replace(options, timeout_s=LONGEST_TIMEOUT_S)
    if asked.returned == "mask":
        options = replace(options, **FINDING)
    if webhook is not None:
        kept.webhooks.check(webhook)
    kept.elsewhere.check(source, result, asked.returned)
    return Order(options, asked.returned, webhook, source, result)


def idempotency_key(request: Request) -> str | None:
    """Return the caller's name for the order, if it has one.

    Raises:
        BadRequest: it has other characters, or is too long.
    """
    return check_key(request.headers.get("idempotency-key"))


def check_key(key: str | None) -> str | None:
    """Return an idempotency key as it is.

    Raises:
        BadRequest: it has other characters, or is too long.
    """
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest("Idempotency-Key is not as expected: up to 255 visible characters of ASCII")
    return key


def fingerprint(received: Received | None, order: Order) -> str:
    """Return a hash of an upload and what is ordered, which tells apart two orders of one name.

    Of places only what may be shown counts: each presigned URL of the same file has another query.
    """
    hashes = [None] * 3 if received is None else [received.image, received.mask, received.reference]
    parts: list[object] = [*hashes, order.options.to_mapping(), order.kind, order.webhook]
    places = [place and shown(place) for place in (order.source, order.result)]
    parts += places if any(places) else []
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
