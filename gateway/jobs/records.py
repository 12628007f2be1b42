"""What is known of a job, and how its caller sees that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from gateway.answers import KINDS, etag_of
from gateway.uploads import Received
from photorestore.options import STAGES

STATES = ("queued", "running", "succeeded", "failed", "cancelled")
"""All states of a job; the last three are final."""
ENDED = STATES[2:]


@dataclass(frozen=True, slots=True)
class Work:
    """What a job is to do.

    Attributes:
        upload: the folder of its upload.
        upload_bytes: of picture and mask.
        received: hashes of picture and mask.
        pixels: of the picture and of the result, whichever has more.
        options: of the restoration, not checked: an earlier version may have written them.
        kind: what its result is unless the caller asks for another part, one of `RETURNS`.
        request_id: label of the request that brought it.
    """

    upload: str
    upload_bytes: int
    received: Received
    pixels: int
    options: dict[str, object]
    kind: str
    request_id: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be had of its result; for a mask alone nothing is restored."""
        return ("mask", "report") if self.kind == "mask" else ("image", "mask", "report", "bundle")

    def to_mapping(self) -> dict[str, object]:
        """The inverse of `from_mapping`, for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From decoded JSON."""
        return cls(**{**values, "received": Received(**values["received"])})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job that succeeded has made.

    Attributes:
        key: of the run, names the result.
        content_type: of the picture.
        stored_bytes: of the result's file.
        stages: `ran` or `passed` by stage.
    """

    key: str
    content_type: str
    stored_bytes: int
    stages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Who is to be told of the end, and how that stands.

    Attributes:
        url: where to.
        state: `pending`, `delivered` or `failed`.
        tries: made so far.
        due: Unix time of the next try.
        error: of the last try; empty if it had none.
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
        id: names it; not to be guessed.
        owner: name of the API key that brought it; empty where there are no keys.
        idempotency_key: the caller's, if there was one.
        fingerprint: hash of all that was asked for.
        work: what is to be done.
        state: one of `STATES`.
        created, started, ended, expires: when; None as long as it has not come to that.
        due: when it may be begun.
        tries: how often it was begun.
        outcome: of a job that succeeded.
        has_result: whether the result's file is kept.
        problem: the problem document of a job that failed.
        webhook: if somebody is to be told.
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
    outcome: Outcome | None = None
    has_result: bool = False
    problem: dict[str, object] | None = None

    @property
    def path(self) -> str:
        """Of the URL."""
        return f"/v1/jobs/{self.id}"


def document(record: Record, states: Mapping[str, str]) -> dict[str, object]:
    """The job as its caller sees it.

    Args:
        states: how far its stages are, where it is running.
    """
    links = {"self": record.path} | ({"result": f"{record.path}/result"} if record.has_result else {})
    return {
        "id": record.id,
        "state": record.state,
        "created": _time(record.created),
        "started": _time(record.started),
        "ended": _time(record.ended),
        "expires": _time(record.expires),
        "tries": record.tries,
        "progress": _progress(record, states),
        "result": _result(record),
        "problem": record.problem,
        "webhook": _delivery(record.webhook),
        "links": links,
    }


def announcement(record: Record) -> dict[str, object]:
    """The job that has ended, as its webhook tells it: the same at every try."""
    return {name: value for name, value in document(record, {}).items() if name != "webhook"}


def _progress(record: Record, states: Mapping[str, str]) -> dict[str, str]:
    """By stage: `waiting`, `running`, `ran` or `passed`; of a job that failed only the stage that did."""
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
    content_type = KINDS.get(kind, record.outcome.content_type)
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
    """RFC 3339, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
