"""The errors of this package; its docstring shows their tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class RestoreError(Exception):
    """Base of all errors of this package.

    Attributes:
        request_id: finds the request in the service's log; empty if no request was made.
    """

    def __init__(self, message: str, *, request_id: str = "") -> None:
        super().__init__(message)
        self.request_id = request_id


class Unreachable(RestoreError):
    """There was no answer, or it was not the service's."""


class TimedOut(Unreachable):
    """An answer, or the time allowed for all tries, took too long."""


class JobCancelled(RestoreError):
    """The job that was waited for has been cancelled."""


class Problem(RestoreError):
    """A problem document of the service (RFC 9457).

    Attributes:
        type: stable name, for example `truncated-image`.
        status: HTTP status.
        detail: what was expected and what was got.
        stage: the stage that found the problem, if one did.
        document: the whole problem document.
    """

    def __init__(self, document: Mapping[str, Any], *, request_id: str = "") -> None:
        self.type = _name(document)
        self.status = _status(document)
        self.detail = str(document.get("detail") or document.get("title") or "")
        self.stage = str(document.get("stage") or "")
        self.document = dict(document)
        super().__init__(
            f"{self.type}: {self.detail}", request_id=str(document.get("request_id") or request_id)
        )


class BadOption(Problem):
    """An option is unknown, or what it asks for cannot be had; or a place is not allowed, or refuses the result."""


class Denied(Problem):
    """The API key is missing or wrong."""


class NotFound(Problem):
    """There is no such job, or its result is no longer kept."""


class Conflict(Problem):
    """The job has no result, or the idempotency key was used for a different request."""


class Unchanged(Problem):
    """The result is the one that the caller already has."""


class BadPicture(Problem):
    """Not a picture of an accepted type, broken, or too large; or it cannot be fetched."""


class TooLate(Problem):
    """The time that the option `timeout` allows is over, or the upload was too slow."""


class Busy(Problem):
    """No room for this picture now; try again."""


class Failed(Problem):
    """The service's own fault."""


_BY_TYPE: dict[str, type[Problem]] = {
    "unsupported-option": BadOption,
    "unavailable-tier": BadOption,
    "unavailable-network": BadOption,
    "not-acceptable": BadOption,
    "place-not-allowed": BadOption,
    "result-refused": BadOption,
    "source-forbidden": BadPicture,
    "source-not-found": BadPicture,
    "payload-too-large": BadPicture,
    "image-too-large": BadPicture,
    "not-an-image": BadPicture,
    "truncated-image": BadPicture,
    "corrupt-image": BadPicture,
    "deadline-exceeded": TooLate,
    "idempotency-key-reused": Conflict,
    "out-of-space": Busy,
    "internal": Failed,
}

_BY_STATUS: dict[int, type[Problem]] = {
    400: BadOption,
    401: Denied,
    403: Denied,
    404: NotFound,
    406: BadOption,
    408: TooLate,
    409: Conflict,
    410: NotFound,
    412: Unchanged,
    413: BadPicture,
    415: BadPicture,
    422: BadPicture,
    429: Busy,
    503: Busy,
    504: TooLate,
}


def problem(document: Mapping[str, Any], *, request_id: str = "") -> Problem:
    """Return the exception for a problem document, by its `type` or else by its `status`."""
    kind = _BY_TYPE.get(_name(document)) or _BY_STATUS.get(_status(document), Failed)
    return kind(document, request_id=request_id)


def _name(document: Mapping[str, Any]) -> str:
    """Return the last part of the `type`, which is a URN or URL; without one, a name made of the status."""
    name = re.split("[:/#]", str(document.get("type") or "").rstrip("/"))[-1]
    return name if name not in ("", "blank") else f"http-{_status(document)}"


def _status(document: Mapping[str, Any]) -> int:
    status = document.get("status")
    return status if isinstance(status, int) else 500
