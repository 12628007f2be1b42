"""The schemas of the OpenAPI document that concern jobs."""

from __future__ import annotations

from gateway.jobs.records import STATES
from gateway.routes.schema_parts import TEXT, TIME, object_of, or_null, ref
from photorestore.kinds import Schema

MOST_ORDERS = 100
"""Jobs of one batch."""
_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}


def job_schemas() -> dict[str, Schema]:
    """Return the schemas that concern jobs, by name."""
    stage_states = ["waiting", "running", "ran", "passed", "failed"]
    progress = {"type": "object", "additionalProperties": ref("StageState")}
    counts = {name: {"type": "integer"} for name in ("done", "total")}
    steps = {"type": "object", "additionalProperties": object_of(counts)}
    job = {
        "id": TEXT,
        "state": ref("JobState"),
        "created": TIME,
        "started": or_null(TIME) | {"description": "of the latest try"},
        "ended": or_null(TIME),
        "expires": or_null(TIME) | {"description": "when job and result are forgotten; null before the end"},
        "tries": {"type": "integer", "description": "how often it was begun"},
        "ahead": _COUNT | {"description": "jobs that begin before it, while it waits"},
        "seconds_left": _COUNT
        | {"description": "until its end, about; null where nothing like it was measured, and after the end"},
        "progress": progress | {"description": "by stage; of a job that failed only the stage that did"},
        "steps": steps
        | {
            "description": "of stages at work that take minutes, by stage: steps done, and how many there are at most"
        },
        "places": ref("JobPlaces"),
        "result": or_null(ref("JobResult")),
        "written": or_null(ref("JobWritten")),
        "problem": or_null(ref("Problem")),
        "webhook": or_null(ref("JobWebhook")),
        "links": ref("JobLinks"),
    }
    webhook = {
        "url": TEXT,
        "state": {"type": "string", "enum": ["pending", "delivered", "failed"]},
        "tries": {"type": "integer"},
        "next": or_null(TIME),
        "error": {"type": ["string", "null"]},
    }
    return {
        "JobState": {"type": "string", "enum": list(STATES)},
        "StageState": {"type": "string", "enum": stage_states},
        "Job": object_of(job),
        "JobPage": object_of(
            {
                "jobs": {"type": "array", "items": ref("Job")},
                "links": object_of({"next": {"type": ["string", "null"]}}),
            }
        ),
        **_batch(),
        "JobResult": object_of({"return": ref("Return"), "content_type": TEXT, "etag": TEXT}),
        "JobPlaces": object_of(dict.fromkeys(("source", "result"), or_null(TEXT)))
        | {
            "description": "where the picture lies and the result goes, without queries; null: uploaded, only kept"
        },
        "JobWritten": object_of({"etag": TEXT, "sha256": TEXT, "size_bytes": {"type": "integer"}})
        | {"description": "what was written to `places.result`"},
        "JobWebhook": object_of(webhook),
        "JobLinks": object_of({"self": TEXT, "result": TEXT}, required=["self"]),
    }


def _batch() -> dict[str, Schema]:
    """Return the schemas of many jobs in one request."""
    order = {
        "source": {**TEXT, "description": "URL of the picture"},
        "result": {**TEXT, "description": "URL to which the result is written, too"},
        "webhook": {**TEXT, "description": "URL that is sent the job at its end"},
        "idempotency_key": {**TEXT, "description": "as the header `Idempotency-Key` of one job"},
        "return": ref("Return"),
        "options": {**ref("RestoreOptions"), "description": "of this job, over those of all"},
    }
    orders = {
        "type": "array",
        "items": ref("JobOrder"),
        "minItems": 1,
        "maxItems": MOST_ORDERS,
    }
    answer = {
        "status": {"type": "integer", "description": "as if it had been submitted alone"},
        "job": or_null(ref("Job")),
        "problem": or_null(ref("Problem")),
    }
    return {
        "JobOrder": object_of(order, required=["source"], additionalProperties=False),
        "JobBatch": object_of(
            {"jobs": orders, "options": {**ref("RestoreOptions"), "description": "of all jobs"}},
            required=["jobs"],
            additionalProperties=False,
        ),
        "JobAnswer": object_of(answer),
        "JobAnswers": object_of({"jobs": {"type": "array", "items": ref("JobAnswer")}}),
    }
