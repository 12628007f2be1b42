"""The JSON that callers see of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from types import MappingProxyType

from gateway.http.conditional import etag_of
from gateway.jobs.allowed import shown
from gateway.jobs.forecast import UNKNOWN, Outlook
from gateway.jobs.records import Record, Webhook
from gateway.restore.returns import MEDIA_TYPES
from photorestore.options import STAGES


def document(
    record: Record,
    states: Mapping[str, str],
    path: str,
    steps: Mapping[str, tuple[int, int]] = MappingProxyType({}),
    outlook: Outlook = UNKNOWN,
) -> dict[str, object]:
    """Return the JSON document of a job for its caller.

    Args:
        states: the states of the stages that a running job has begun.
        path: of the job's URL.
        steps: done and at most, of stages of a running job that work for minutes.
        outlook: of a job that is queued or running.
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
        "ahead": outlook.ahead if record.state == "queued" else None,
        "seconds_left": outlook.seconds_left,
        "progress": _progress(record, states),
        "steps": {stage: {"done": done, "total": total} for stage, (done, total) in steps.items()},
        "places": {name: shown(url) or None for name, url in _places(record)},
        "result": _result(record),
        "written": _written(record),
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


def _places(record: Record) -> tuple[tuple[str, str], ...]:
    return ("source", record.work.source), ("result", record.work.result)


def _written(record: Record) -> dict[str, object] | None:
    if record.outcome is None or record.outcome.written is None:
        return None
    return asdict(record.outcome.written)


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
