"""Jobs whose pictures lie where the service fetches them, as they are ordered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from photorestore_client.errors import Problem, Unreachable, problem
from photorestore_client.messages import Answer
from photorestore_client.options import Options
from photorestore_client.results import Job
from photorestore_client.upload import Upload

MOST_ORDERS = 100
"""Jobs that the service takes in one request."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job.

    Attributes:
        source: URL of the picture: `s3://`, `gs://` or a presigned `https://`, as the service's operator allows.
        result: URL to which the result is written, too; None if the service only keeps it.
        webhook: a URL to which the service posts the job at its end, if it allows that.
        idempotency_key: the same key gives the same job, however often it is submitted.
        options: of this job, over those of all.
    """

    source: str
    result: str | None = None
    webhook: str | None = None
    idempotency_key: str = field(default_factory=lambda: uuid.uuid4().hex)
    options: Options = field(default_factory=Options)


def check_psf(options: Mapping[str, Any]) -> None:
    """Refuse a picture of a blur, which nothing carries here.

    Raises:
        ValueError: there is one.
    """
    if isinstance(options.get("psf"), bytes | PathLike):
        raise ValueError("psf is a picture; with a picture that lies elsewhere it can only be in words")  # noqa: TRY004 - a value


def as_body(orders: Sequence[Order], options: Mapping[str, Any]) -> Upload:
    """Return the body of a request for many jobs.

    Raises:
        ValueError: there are none, or more than go in one request, or options that cannot go along.
    """
    if not 0 < len(orders) <= MOST_ORDERS:
        raise ValueError(f"there are {len(orders)} jobs; expected 1 to {MOST_ORDERS}")
    for given in [options, *(order.options for order in orders)]:
        check_psf(given)
    jobs = [
        {
            "source": order.source,
            "idempotency_key": order.idempotency_key,
            "options": _plain(order.options),
            **({} if order.result is None else {"result": order.result}),
            **({} if order.webhook is None else {"webhook": order.webhook}),
        }
        for order in orders
    ]
    body = json.dumps({"jobs": jobs, "options": _plain(options)}).encode()
    return Upload((body,), (len(body),), "application/json")


def as_jobs(answer: Answer, count: int) -> list[Job | Problem]:
    """Return what came of each job.

    Raises:
        Unreachable: the answer does not tell.
    """
    try:
        found = [_one(each, answer.request_id) for each in answer.document()["jobs"]]
    except (KeyError, TypeError, AttributeError):
        found = []
    if len(found) != count:
        raise Unreachable("the service does not tell of each job", request_id=answer.request_id)
    return found


def _one(each: Mapping[str, Any], request_id: str) -> Job | Problem:
    if each["job"] is not None:
        return Job.from_document(each["job"], request_id=request_id)
    return problem({"status": each["status"], **each["problem"]}, request_id=request_id)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON has them."""
    return {
        name: dict(value) if isinstance(value, Mapping) else list(value) if _is_list(value) else value
        for name, value in options.items()
        if value is not None
    }


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
