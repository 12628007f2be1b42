"""What the OpenAPI document says about jobs."""

from __future__ import annotations

from gateway.routes.openapi import STATUSES, document, parameter, problems, restore_operation
from gateway.routes.schema_parts import ref
from photorestore.kinds import Schema

_TEXT: Schema = {"type": "string"}
_UNKNOWN = {404: "there is no such job of this API key, or this service keeps none"}
_FAILING = {503: "the disk of the jobs is full, read-only or failing; Retry-After says when to come back"}
_REUSED = {422: f"{STATUSES[422]}; or the Idempotency-Key stands for another request"}


def submit_operation() -> Schema:
    """Return the query, headers and body of `POST /v1/jobs`."""
    operation = restore_operation()
    webhook = {**_TEXT, "description": "URL that is sent the job at its end, where this service allows it"}
    source = {
        **_TEXT,
        "description": "URL of the picture, where this service allows it; there is no body then",
    }
    result = {**_TEXT, "description": "URL to which the result is written, too, where this service allows it"}
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": _TEXT,
        "description": "the same key with the same request gives the same job; up to 255 visible characters",
    }
    returned = {**ref("Return"), "description": "what is made, and sent by `/result`; image by default"}
    kept = [found for found in operation["parameters"] if found["name"] != "If-None-Match"]
    return {
        **operation,
        "parameters": [
            *kept,
            parameter("return", returned),
            parameter("webhook", webhook),
            parameter("source", source),
            parameter("result", result),
            key,
        ],
        "requestBody": {**operation["requestBody"], "required": False},
    }


def submit_answers() -> dict[int | str, Schema]:
    """Return the answers of `POST /v1/jobs`."""
    headers = {"Location": {"description": "of the job", "schema": _TEXT}}
    texts = {status: text for status, text in STATUSES.items() if status not in (412, 504)}
    texts[403] = "source or result is not where this service lets jobs go"
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


def batch_operation() -> Schema:
    """Return the body of `POST /v1/jobs/batch`."""
    return {"requestBody": {"required": True, "content": document("JobBatch")}}


def batch_answers() -> dict[int | str, Schema]:
    """Return the answers of `POST /v1/jobs/batch`."""
    text = "what came of each job, in their order; Retry-After where some had no room"
    return {
        200: {"description": text, "content": document("JobAnswers")},
        **problems(
            {
                **{status: STATUSES[status] for status in (400, 401, 406, 408, 413)},
                404: "this service keeps no jobs",
            }
        ),
    }


def page_operation(usual: int, most: int) -> Schema:
    """Return the query of `GET /v1/jobs`.

    Args:
        usual: jobs on a page by default.
        most: jobs on a page at most.
    """
    limit = {
        "type": "integer",
        "minimum": 1,
        "maximum": most,
        "description": f"jobs on the page. Default: {usual}",
    }
    return {
        "parameters": [
            parameter(
                "state", {**ref("JobState"), "description": "of the jobs that are wanted; by default all"}
            ),
            parameter("limit", limit),
            parameter("before", {**_TEXT, "description": "where the page begins, as `links.next` has it"}),
        ]
    }


def page_answers() -> dict[int | str, Schema]:
    """Return the answers of `GET /v1/jobs`."""
    return {
        200: {"description": "a page of jobs", "content": document("JobPage")},
        **problems(
            {
                400: STATUSES[400],
                401: STATUSES[401],
                403: "this service has no API keys, by which callers are told apart",
                404: "this service keeps no jobs",
                **_FAILING,
            }
        ),
    }


def events_answers() -> dict[int | str, Schema]:
    """Return the answers of `GET /v1/jobs/{job_id}/events`."""
    text = "events named by the job's state, whose data are the job; the last one is its end"
    return {
        200: {"description": text, "content": {"text/event-stream": {"schema": _TEXT}}},
        **problems({401: STATUSES[401], **_UNKNOWN, **_FAILING}),
    }


def delete_answers() -> dict[int | str, Schema]:
    """Return the answers of `DELETE /v1/jobs/{job_id}`."""
    return {
        204: {"description": "it is cancelled, or forgotten"},
        **problems({401: STATUSES[401], **_UNKNOWN, **_FAILING}),
    }


def result_answers(content: Schema) -> dict[int | str, Schema]:
    """Return the answers of `GET /v1/jobs/{job_id}/result`, and of those below it.

    Args:
        content: the schemas of the answer 200 by media type.
    """
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
    return {"description": text, "content": document("Job")}
