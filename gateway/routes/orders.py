"""Orders of jobs: what a request to submit one asks for."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace

from fastapi import Request

from gateway.errors import BadRequest
from gateway.jobs.webhooks import Webhooks
from gateway.restore.parts import Fields, Received
from gateway.routes.queries import FINDING, ask, pairs_of
from photorestore.errors import UnsupportedOption
from photorestore.housekeeping import LONGEST_TIMEOUT_S
from photorestore.options import Options

_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
_APART = frozenset({"webhook"})


@dataclass(frozen=True, slots=True)
class Order:
    """What a job is to do: with these options, for this part of the result, and whom to tell."""

    options: Options
    kind: str
    webhook: str | None


def order_of(request: Request, fields: Fields, webhooks: Webhooks) -> Order:
    """Return what is ordered. Nobody waits, so the default time-out is the longest.

    Raises:
        UnsupportedOption: as in `queries.parse`; or the webhook may not be told.
    """
    pairs = [*request.query_params.multi_items(), *pairs_of(fields)]
    named = [str(value) for name, value in pairs if name == "webhook"]
    if len(named) > 1:
        raise UnsupportedOption("webhook is given twice")
    webhook = named[0] if named else None
    asked = ask(request, fields, apart=_APART)
    options = asked.options
    if "timeout" not in asked.named:
        options = replace(options, timeout_s=LONGEST_TIMEOUT_S)
    if asked.returned == "mask":
        options = replace(options, **FINDING)
    if webhook is not None:
        webhooks.check(webhook)
    return Order(options, asked.returned, webhook)


def idempotency_key(request: Request) -> str | None:
    """Return the caller's name for the order, if it has one.

    Raises:
        BadRequest: it has other characters, or is too long.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.match(key):
        raise BadRequest("Idempotency-Key is not as expected: up to 255 visible characters of ASCII")
    return key


def fingerprint(received: Received, order: Order) -> str:
    """Return a hash of an upload and what is ordered, which tells apart two orders of one name."""
    hashes = [received.image, received.mask, received.reference]
    parts = [*hashes, order.options.to_mapping(), order.kind, order.webhook]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
