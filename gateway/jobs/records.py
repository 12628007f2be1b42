"""Records of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from gateway.restore.parts import Received
from gateway.restore.returns import RETURNS
from gateway.telemetry.logs import Subject
from photorestore.envelope import Promise
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
        upload: the name of its upload's folder, which is not there if the picture comes from elsewhere.
        upload_bytes: the size of picture and mask together; 0 then.
        received: the hashes of picture and mask; None then.
        pixels: of the picture or of the result, whichever has more; None as long as it has not been fetched.
        options: of the restoration, unchecked, since an earlier version may have written them.
        kind: the part of the result that callers get by default, one of `RETURNS`.
        request_id: the id of the request that submitted it.
        promise: what will be delivered; None in records of earlier versions, which decided at each try.
        traceparent: of that request; empty where it belongs to no trace.
        source: URL by which the picture is fetched at each try; empty where it was uploaded.
        result: URL to which the result is written, too; empty where it is only kept.
    """

    upload: str
    upload_bytes: int
    received: Received | None
    pixels: int | None
    options: dict[str, object]
    kind: str
    request_id: str
    promise: Promise | None = None
    traceparent: str = ""
    source: str = ""
    result: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the parts of its result that callers can get; for a mask alone nothing is restored."""
        if self.kind == "mask":
            return ("mask", "report")
        gives_colours = any(self.options.get(name) is not None for name in STAGE_ROWS["colorize"].options)
        return tuple(kind for kind in RETURNS if kind != "confidence" or gives_colours)

    def to_mapping(self) -> dict[str, object]:
        """Return what `from_mapping` reads, ready for JSON: also that of an earlier version, where it knows all."""
        return {name: value for name, value in asdict(self).items() if value or name not in _ADDED}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read decoded JSON."""
        received, promise = values["received"], values.get("promise")
        return cls(
            **{
                **values,
                "received": None if received is None else Received(**received),
                "promise": None if promise is None else Promise(**promise),
            }
        )


_ADDED = ("source", "result", "written")
"""What earlier versions, which may share the records, do not know."""


@dataclass(frozen=True, slots=True)
class Written:
    """A result that was written elsewhere.

    Attributes:
        etag: as the place names it; empty if it does not.
        sha256: of its bytes, in hexadecimal.
        size_bytes: their number.
    """

    etag: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a job that succeeded.

    Attributes:
        key: the run's key, from which the result's ETag is made.
        content_type: the picture's media type.
        stored_bytes: the size of the result's file.
        stages: `ran` or `passed` by stage.
        file: the name by which the result is kept, as `Files` says.
        written: what was written elsewhere; None if nothing was to be.
    """

    key: str
    content_type: str
    stored_bytes: int
    stages: dict[str, str]
    file: str = ""
    written: Written | None = None

    def to_mapping(self) -> dict[str, object]:
        """Return what `from_mapping` reads, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value or name not in _ADDED}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read decoded JSON."""
        written = values.get("written")
        return cls(**{**values, "written": None if written is None else Written(**written)})


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
