"""What the OpenAPI document says about jobs."""

from __future__ import annotations

from gateway.jobs.records import STATES
from gateway.restore.returns import RETURN
from gateway.routes.openapi import BINARY, PROBLEM, STATUSES, parameter, problems, restore_operation
from photorestore.kinds import Schema

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
JOB: Schema = {
    "type": "object",
    "required": ["id", "state", "created", "progress", "links"],
    "properties": {
        "id": _TEXT,
        "state": {"type": "string", "enum": list(STATES)},
        "created": _TIME,
        "started": _TIME | {"description": "of the latest try"},
        "ended": _TIME,
        "expires": _TIME | {"description": "when job and result are forgotten; null before the end"},
        "tries": {"type": "integer", "description": "how often it was begun"},
        "progress": {
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "enum": ["waiting", "running", "ran", "passed", "failed"],
            },
            "description": "by stage; of a job that failed only the stage that did",
        },
        "result": {
            "type": ["object", "null"],
            "properties": {"return": _TEXT, "content_type": _TEXT, "etag": _TEXT},
        },
        "problem": {"anyOf": [PROBLEM, {"type": "null"}]},
        "webhook": {
            "type": ["object", "null"],
            "properties": {
                "url": _TEXT,
                "state": {"type": "string", "enum": ["pending", "delivered", "failed"]},
                "tries": {"type": "integer"},
                "next": _TIME,
                "error": {"type": ["string", "null"]},
            },
        },
        "links": {"type": "object", "properties": {"self": _TEXT, "result": _TEXT}},
    },
}
_UNKNOWN = {404: "there is no such job of this API key, or this service keeps none"}
_FAILING = {503: "the disk of the jobs is full, read-only or failing; Retry-After says when to come back"}
_REUSED = {422: f"{STATUSES[422]}; or the Idempotency-Key stands for another request"}


def submit_operation() -> Schema:
    """Return the query, headers and body of `POST /v1/jobs`."""
    operation = restore_operation()
    webhook = {**_TEXT, "description": "URL that is sent the job at its end, where this service allows it"}
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": _TEXT,
        "description": "the same key with the same request gives the same job; up to 255 visible characters",
    }
    kept = [found for found in operation["parameters"] if found["name"] != "If-None-Match"]
    return {**operation, "parameters": [*kept, parameter("webhook", webhook), key]}


def submit_answers() -> dict[int | str, Schema]:
    """Return the answers of `POST /v1/jobs`."""
    headers = {"Location": {"description": "of the job", "schema": _TEXT}}
    texts = {status: text for status, text in STATUSES.items() if status not in (412, 504)}
    return {
        202: {**_job("the job, which waits"), "headers": headers},
        200: {**_job("the job that the Idempotency-Key stands for"), "headers": headers},
        **problems({**texts, **_REUSED, **_FAILING, 404: "this service keeps no jobs"}),
    }


def job_answers() -> dict[int | str, Schema]:
    """Return the answers of `GET /v1/jobs/{job_id}`."""
    headers = {"Retry-After": {"description": "seconds; before the end", "schema": _TEXT}}
    return {
        200: {**_job("the job"), "headers": headers},
        **problems({401: STATUSES[401], **_UNKNOWN, **_FAILING}),
    }


def delete_answers() -> dict[int | str, Schema]:
    """Return the answers of `DELETE /v1/jobs/{job_id}`."""
    return {
        204: {"description": "it is cancelled, or forgotten"},
        **problems({401: STATUSES[401], **_UNKNOWN, **_FAILING}),
    }


def result_operation() -> Schema:
    """Return the query of `GET /v1/jobs/{job_id}/result`."""
    returned = RETURN.schema() | {"description": "what is sent; by default what was asked for with the job"}
    return {"parameters": [parameter("return", returned)]}


def result_answers() -> dict[int | str, Schema]:
    """Return the answers of `GET /v1/jobs/{job_id}/result`."""
    kinds = ("image/*", "multipart/mixed")
    content: Schema = {kind: {"schema": BINARY} for kind in kinds}
    content["application/json"] = {"schema": {"type": "object"}}
    etag = {"ETag": {"description": "names the result", "schema": _TEXT}}
    return {
        200: {"description": "the result", "content": content, "headers": etag},
        304: {"description": "If-None-Match names the result"},
        **problems(
            {
                **{status: STATUSES[status] for status in (400, 401, 406)},
                **_UNKNOWN,
                **_FAILING,
                409: "the job has not succeeded, or makes nothing of this kind",
                410: "the result has made room for later ones",
            }
        ),
    }


def _job(text: str) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": JOB}}}
