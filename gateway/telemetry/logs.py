"""The log of the edge: JSON, each line with the request or job that it is about.

A request's own line, written at its end, has in addition what was noted on the way. Secrets are never noted: no header,
no query, no address of a webhook.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass, field

from photorestore.logs import Fields, log_as_json, trace_id_of


@dataclass(slots=True)
class Subject:
    """The request or job that a task works on.

    Attributes:
        request_id: of the request, or of the one that submitted the job.
        traceparent: of the trace that it belongs to; empty where there is none.
        job: the job's id; empty for a request.
        key: name of the API key; empty where there is none.
        noted: fields of the request's own line.
    """

    request_id: str
    traceparent: str = ""
    job: str = ""
    key: str = ""
    noted: dict[str, object] = field(default_factory=dict)


_SUBJECT: ContextVar[Subject | None] = ContextVar("subject", default=None)


def work_on(subject: Subject) -> None:
    """Say what the current task, and those that it starts, work on from now on."""
    _SUBJECT.set(subject)


def current_subject() -> Subject | None:
    """Return what the current task works on."""
    return _SUBJECT.get()


def note_key(name: str) -> None:
    """Note the name of the API key that the current request has come with."""
    if (subject := _SUBJECT.get()) is not None:
        subject.key = name


def current_key() -> str:
    """Return the name of the API key that the current request or job came with; empty where there is none."""
    subject = _SUBJECT.get()
    return "" if subject is None else subject.key


def note(**fields: object) -> None:
    """Add fields to the line that is written when the current request is answered."""
    if (subject := _SUBJECT.get()) is not None:
        subject.noted |= fields


def log_to_stderr() -> None:
    """Send the program's log to standard error."""
    log_as_json(sys.stderr, fields_of_subject)
    keep_libraries_quiet()


def keep_libraries_quiet() -> None:
    """Keep httpx from logging every request to TorchServe, and the addresses of webhooks."""
    logging.getLogger("httpx").setLevel(logging.WARNING)


def fields_of_subject() -> Fields:
    """Return the fields that a line has at this moment."""
    subject = _SUBJECT.get()
    if subject is None:
        return {}
    found = {
        "request_id": subject.request_id,
        "trace_id": trace_id_of(subject.traceparent),
        "job": subject.job,
        "key": subject.key,
    }
    return {name: value for name, value in found.items() if value}
