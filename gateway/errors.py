"""Errors of the edge, beside those of the pipeline; all become problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from photorestore.envelope import Problem, Trace
from photorestore.errors import InvalidInput, RestorationError

Excess = Literal["requests", "pixels", "uploads", "answers", "jobs", "key", "rate"]
"""Things whose number or size is limited; the reason of a `TooManyRequests`."""
EXCESSES: tuple[Excess, ...] = get_args(Excess)


class BadRequest(InvalidInput):
    """The request cannot be understood: a broken form, unknown parts."""

    type = "bad-request"
    status = 400


class Unauthorized(InvalidInput):
    """An API key is missing, or is not known."""

    type = "unauthorized"
    status = 401


class ForeignPage(InvalidInput):
    """The request comes from a web page of another origin, which the operator has not allowed."""

    type = "foreign-page"
    status = 403


class KeysNeeded(InvalidInput):
    """It is only for callers who are told apart by API keys, and this service knows none."""

    type = "keys-needed"
    status = 403


class PlaceNotAllowed(InvalidInput):
    """The picture lies, or its result is to go, where the operator does not let jobs go."""

    type = "place-not-allowed"
    status = 403


class SourceForbidden(InvalidInput):
    """Who has the picture of a job does not hand it out to this service."""

    type = "source-forbidden"
    status = 403


class SourceNotFound(InvalidInput):
    """The picture of a job is not where it was said to be."""

    type = "source-not-found"
    status = 404


class ResultRefused(InvalidInput):
    """The place for the result of a job does not take it."""

    type = "result-refused"
    status = 403


class NotFound(InvalidInput):
    """There is no such resource."""

    type = "not-found"
    status = 404


class MethodNotAllowed(InvalidInput):
    """The resource is there, but not for this method."""

    type = "method-not-allowed"
    status = 405


class JobHasNoResult(InvalidInput):
    """The job has not succeeded, or makes no such result."""

    type = "job-has-no-result"
    status = 409


class ResultGone(InvalidInput):
    """The job's result was deleted to make room for later ones."""

    type = "result-gone"
    status = 410


class IdempotencyKeyReused(InvalidInput):
    """The idempotency key was used for a different request."""

    type = "idempotency-key-reused"
    status = 422


class UploadTooSlow(InvalidInput):
    """The upload arrives with too few bytes per second."""

    type = "upload-too-slow"
    status = 408


class PreconditionFailed(InvalidInput):
    """The caller already has this result: `If-None-Match` names its ETag."""

    type = "precondition-failed"
    status = 412

    def __init__(self, etag: str) -> None:
        super().__init__(f"If-None-Match names {etag}, which is the result")
        self.etag = etag


class RangeNotSatisfiable(InvalidInput):
    """`Range` begins behind the result's end."""

    type = "range-not-satisfiable"
    status = 416

    def __init__(self, text: str, length: int) -> None:
        super().__init__(f"Range is {text!r}; the result has {length} bytes")
        self.length = length


class UnsupportedEncoding(InvalidInput):
    """The body has a `Content-Encoding`."""

    type = "unsupported-encoding"
    status = 415


class TooManyRequests(RestorationError):
    """A limit is reached: of requests, pixels, uploads or answers in flight, of waiting jobs, or of one API key.

    Attributes:
        reason: the limit.
        retry_after_s: seconds after which a new try is worth while.
    """

    type = "too-many-requests"
    status = 429

    def __init__(self, reason: Excess, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.reason = reason
        self.retry_after_s = retry_after_s


class BackendUnavailable(RestorationError):
    """TorchServe does not answer, or is not ready."""

    type = "backend-unavailable"
    status = 503


class JobsUnavailable(RestorationError):
    """The folder of the jobs is read-only or failing."""

    type = "jobs-unavailable"
    status = 503


class PlaceUnavailable(JobsUnavailable):
    """Where a job's picture lies, or its result is to go, nothing can be read or written now."""

    type = "place-unavailable"


class TooManyConnections(RestorationError):
    """The limit of busy connections is reached."""

    type = "too-many-connections"
    status = 503


class PipelineProblem(RestorationError):
    """A stage reports a problem.

    Attributes:
        problem: as it stands in the envelope.
        trace: what the stages did, by stage.
    """

    def __init__(self, problem: Problem, trace: Mapping[str, Trace]) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.trace = trace
