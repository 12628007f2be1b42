"""Records of jobs, and the JSON that callers see of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self

from gateway.http.conditional import etag_of
from gateway.restore.parts import Received
from gateway.restore.returns import MEDIA_TYPES, RETURNS
from gateway.telemetry.logs import Subject
from photorestore.envelope import Promise
from photorestore.options import STAGES
from photorestore.stage_table import STAGE_ROWS

PATH = "/v1/jobs"
"""Path of all jobs, below that by which a proxy offers the service."""
STATES = ("queued", "running", "succeeded", "failed", "cancelled")
"""All states of a job; the last three are final."""
ENDED = STATES[2:]


@dataclass(frozen=True, slots=True)
class Work:
    """What a job has to do.

    Attributes:
        upload: the name of its upload's folder.
        upload_bytes: the size of picture and mask together.
        received: the hashes of picture and mask.
        pixels: of the picture or of the result, whichever has more.
        options: of the restoration, unchecked, since an earlier version may have written them.
        kind: the part of the result that callers get by default, one of `RETURNS`.
        request_id: the id of the request that submitted it.
        promise: what will be delivered; None in records of earlier versions, which decided at each try.
        traceparent: of that request; empty where it belongs to no trace.
    """

    upload: str
    upload_bytes: int
    received: Received
    pixels: int
    options: dict[str, object]
    kind: str
    request_id: str
    promise: Promise | None = None
    traceparent: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the parts of its result that callers can get; for a mask alone nothing is restored."""
        if self.kind == "mask":
            return ("mask", "report")
        gives_colours = any(self.options.get(name) is not None for name in STAGE_ROWS["colorize"].options)
        return tuple(kind for kind in RETURNS if kind != "confidence" or gives_colours)

    def to_mapping(self) -> dict[str, object]:
        """Return what `from_mapping` reads, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read decoded JSON."""
        promise = values.get("promise")
        return cls(
            **{
                **values,
                "received": Received(**values["received"]),
                "promise": None if promise is None else Promise(**promise),
            }
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a job that succeeded.

    Attributes:
        key: the run's key, from which the result's ETag is made.
        content_type: the picture's media type.
        stored_bytes: the size of the result's file.
        stages: `ran` or `passed` by stage.
        file: the name by which the result is kept, as `Files` says.
    """

    key: str
    content_type: str
    stored_bytes: int
    stages: dict[str, str]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhook of a job: who is told of its end, and whether that has been delivered.

    Attributes:
        url: where it is sent.
        state: `pending`, `delivered` or `failed`.
        tries: how many were made.
        due: Unix time of the next try.
        error: the last try's error; empty if there was none.
    """

    url: str
    state: str = "pending"
    tries: int = 0
    due: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One job. Times are Unix times in seconds.

    Attributes:
        id: its name in URLs, which cannot be guessed.
        owner: name of the API key that submitted it; empty where there are no keys.
        idempotency_key: the caller's, if there was one.
        fingerprint: hash of everything in the request that determines the job.
        work: what it has to do.
        state: one of `STATES`.
        created, started, ended, expires: times; None until the event.
        due: when it may be begun.
        tries: how often it was begun.
        holder: the edge that began it last, by `Store.holder`; empty if none has.
        held: when that one last said that it is at work; 0 if none has.
        progress: the states of the stages that had been begun then.
        outcome: of a job that succeeded.
        has_result: whether the result's file is kept.
        problem: the problem document of a job that failed.
        webhook: None if nobody wants to be told of the end.
    """

    id: str
    owner: str
    idempotency_key: str | None
    fingerprint: str
    work: Work
    created: float
    webhook: Webhook | None = None
    state: str = "queued"
    started: float | None = None
    ended: float | None = None
    expires: float | None = None
    due: float = 0.0
    tries: int = 0
    holder: str = ""
    held: float = 0.0
    progress: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    has_result: bool = False
    problem: dict[str, object] | None = None

    @property
    def result_file(self) -> str:
        """Return the name by which its result is kept, or would be by an earlier version."""
        return (self.outcome and self.outcome.file) or self.id


def subject_of(record: Record) -> Subject:
    """Return what the log's lines about a job name."""
    return Subject(record.work.request_id, record.work.traceparent, record.id, record.owner)


def document(
    record: Record,
    states: Mapping[str, str],
    path: str,
    steps: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> dict[str, object]:
    """Return the JSON document of a job for its caller.

    Args:
        states: the states of the stages that a running job has begun.
        path: of the job's URL.
        steps: done and at most, of stages of a running job that work for minutes.
    """
    links = {"self": path} | ({"result": f"{path}/result"} if record.has_result else {})
    return {
        "id": record.id,
        "state": record.state,
        "created": _time(record.created),
        "started": _time(record.started),
        "ended": _time(record.ended),
        "expires": _time(record.expires),
        "tries": record.tries,
        "progress": _progress(record, states),
        "steps": {stage: {"done": done, "total": total} for stage, (done, total) in steps.items()},
        "result": _result(record),
        "problem": record.problem,
        "webhook": _delivery(record.webhook),
        "links": links,
    }


def announcement(record: Record, path: str) -> dict[str, object]:
    """Return the document that a webhook sends of a job that has ended: the same at every try.

    Args:
        path: of the job's URL.
    """
    return {name: value for name, value in document(record, {}, path).items() if name != "webhook"}


def _progress(record: Record, states: Mapping[str, str]) -> dict[str, str]:
    """Return `waiting`, `running`, `ran` or `passed` by stage; of a job that failed only the stage that failed."""
    match record.state:
        case "queued" | "running":
            return {stage: states.get(stage, "waiting") for stage in STAGES}
        case "succeeded" if record.outcome is not None:
            return record.outcome.stages
        case "failed" if record.problem is not None and record.problem["stage"] in STAGES:
            return {str(record.problem["stage"]): "failed"}
    return {}


def _result(record: Record) -> dict[str, str] | None:
    if record.outcome is None or not record.has_result:
        return None
    kind = record.work.kind
    content_type = MEDIA_TYPES.get(kind, record.outcome.content_type)
    return {"return": kind, "content_type": content_type, "etag": etag_of(record.outcome.key, kind)}


def _delivery(webhook: Webhook | None) -> dict[str, object] | None:
    if webhook is None:
        return None
    is_due = webhook.state == "pending" and webhook.due > 0
    return {
        "url": webhook.url,
        "state": webhook.state,
        "tries": webhook.tries,
        "next": _time(webhook.due) if is_due else None,
        "error": webhook.error or None,
    }


def _time(seconds: float | None) -> str | None:
    """Return a time in the format of RFC 3339, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
