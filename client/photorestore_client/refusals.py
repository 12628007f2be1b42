"""What answers with an error status mean, and whether the next try may be answered otherwise."""

from __future__ import annotations

from typing import Any

from photorestore_client.errors import Busy, RestoreError, Unreachable, problem
from photorestore_client.messages import Answer
from photorestore_client.retry import parse_retry_after


class PassingError(Exception):
    """An error that may be gone at the next try.

    Attributes:
        error: what the caller sees if it remains.
        retry_after_s: seconds that the service asks to wait.
        counted: whether the number of tries is limited.
        refused: whether the connection was refused, so that nothing was sent.
    """

    def __init__(
        self,
        error: RestoreError,
        *,
        retry_after_s: float | None = None,
        counted: bool = True,
        refused: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after_s = retry_after_s
        self.counted = counted
        self.refused = refused


def error_of(answer: Answer) -> Exception:
    """Return the error that an answer with a status from 300 on stands for, a `PassingError` if it may pass."""
    if answer.status in (301, 302, 303, 307, 308):
        target = answer.headers.get("Location", "elsewhere")
        return Unreachable(f"the service sends to {target}", request_id=answer.request_id)
    retry_after_s = parse_retry_after(answer.headers.get("Retry-After"))
    if answer.status == 502 or (answer.status >= 500 and not _is_problem(answer)):
        error: RestoreError = Unreachable(_refusal(answer), request_id=answer.request_id)
        return PassingError(error, retry_after_s=retry_after_s) if answer.status in (502, 503) else error
    error = problem(_problem_document(answer), request_id=answer.request_id)
    if isinstance(error, Busy) and answer.status in (429, 503):
        is_counted = answer.status != 429 and retry_after_s is None
        return PassingError(error, retry_after_s=retry_after_s, counted=is_counted)
    return error


def _problem_document(answer: Answer) -> dict[str, Any]:
    """Return the service's problem document, or one made of the status."""
    if _is_problem(answer):
        return {"status": answer.status, **answer.document()}
    return {"status": answer.status, "detail": _refusal(answer)}


def _is_problem(answer: Answer) -> bool:
    try:
        document = answer.document()
    except Unreachable:
        return False
    if answer.content_type == "application/problem+json":
        return True
    return isinstance(document.get("type"), str) and "status" in document


def _refusal(answer: Answer) -> str:
    text = answer.content[:200].decode(errors="replace").strip()
    return f"the service answered {answer.status} {text}".rstrip()
