"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

import logging
import math

from starlette.responses import Response

from gateway.errors import (
    PipelineProblem,
    PreconditionFailed,
    RangeNotSatisfiable,
    TooManyRequests,
    Unauthorized,
    UploadTooSlow,
)
from gateway.telemetry.logs import note
from photorestore.envelope import Problem
from photorestore.errors import RestorationError
from photorestore.serving.answers import problem_answer

logger = logging.getLogger(__name__)

STAGE = "gateway"
"""Value of `Problem.stage` for errors of the edge itself."""
UNAVAILABLE_RETRY_S = 3


def problem_of(error: Exception) -> Problem:
    """Return the problem that an error stands for; unexpected errors become `internal`, without details."""
    if isinstance(error, PipelineProblem):
        return error.problem
    if isinstance(error, RestorationError) and error.status != 500:
        return Problem.of(error, STAGE)
    return Problem.internal(STAGE)


def problem_response(error: Exception, request_id: str) -> Response:
    """Return the problem document of an error, with the headers that belong to its status."""
    problem = problem_of(error)
    level = {500: logging.ERROR, 503: logging.WARNING}.get(problem.status, logging.INFO)
    unexpected = None if isinstance(error, RestorationError) else error
    logger.log(level, "%s: %s", problem.type, error, exc_info=unexpected)
    note(problem=problem.type)
    answer = problem_answer(problem, request_id)
    return Response(answer.body, answer.status, _headers(error, problem), answer.content_type)


def _headers(error: Exception, problem: Problem) -> dict[str, str]:
    match error:
        case TooManyRequests():
            return {"Retry-After": str(math.ceil(error.retry_after_s))}
        case PreconditionFailed():
            return {"ETag": error.etag}
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{error.length}"}
        case Unauthorized():
            return {"WWW-Authenticate": "Bearer"}
        case UploadTooSlow():
            return {"Connection": "close"}
    return {"Retry-After": str(UNAVAILABLE_RETRY_S)} if problem.status == 503 else {}
