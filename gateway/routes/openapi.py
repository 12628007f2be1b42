"""What the OpenAPI document says about the routes, beyond what FastAPI finds out."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.restore.returns import RETURN
from gateway.routes.queries import NAMES
from photorestore.kinds import Schema
from photorestore.options import describe

BINARY = {"type": "string", "format": "binary"}
PROBLEM = {"$ref": "#/components/schemas/Problem"}
"""Reference to the schema of the problem document, which `complete` adds."""
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "stage", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "stable name, a URN; docs/api.md lists them"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what was expected and what was got"},
        "stage": {"type": "string", "description": "where it was found"},
        "request_id": {"type": "string"},
    },
}
STATUSES = {
    400: "an option or the form is not as it should be",
    401: "an API key is missing or unknown",
    403: "a page of another origin may not call this service",
    406: "nothing that Accept allows can be delivered",
    408: "the upload brings too few bytes per second",
    412: "If-None-Match names the result",
    413: "too many bytes, or more than this service ever has room for",
    415: "not a picture of an accepted format",
    422: "the picture is truncated, contradicts itself, or has too many pixels",
    429: "too much is in flight; Retry-After says when to come back",
    500: "a stage failed; the log has the details",
    503: "the backend is not ready, shared memory is full, or too many connections are busy; see Retry-After",
    504: "the deadline has passed",
}
_HEADERS = {
    "ETag": "names the result; send it as If-None-Match to learn without a restoration that it is the same",
    "Server-Timing": "milliseconds of each stage, of what lies between, and of all",
    "X-Request-Id": "label of the request in all logs",
}


def complete(document: Schema) -> None:
    """Add the schema of the problem document, and remove FastAPI's own answer 422, which the edge never gives."""
    for path in document["paths"].values():
        for operation in path.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM


def problems(texts: Mapping[int, str] = STATUSES) -> dict[int | str, Schema]:
    """Return answers that are problems; by default all those of a restoring route."""
    content = {"application/problem+json": {"schema": PROBLEM}}
    return {status: {"description": text, "content": content} for status, text in texts.items()}


def answers(content: Schema) -> dict[int | str, Schema]:
    """Return all answers of a restoring route.

    Args:
        content: the schemas of the answer 200 by media type.
    """
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()}
    return {200: {"description": "the result", "content": content, "headers": headers}, **problems()}


def restore_operation() -> Schema:
    """Return the query, headers and body of `POST /v1/restore`."""
    options = [parameter(NAMES.get(name, name), schema) for name, schema in _in_query().items()]
    returned = RETURN.schema() | {"default": "image", "description": "what is sent back"}
    accept_free = [parameter("return", returned), *_headers()]
    return {"parameters": [*options, *accept_free], "requestBody": _body(with_mask=True)}


def analyze_operation() -> Schema:
    """Return the query, headers and body of `POST /v1/analyze`."""
    timeout = parameter("timeout", describe()["timeout_s"])
    return {"parameters": [timeout, *_headers()], "requestBody": _body(with_mask=False)}


def _in_query() -> dict[str, Schema]:
    """Return the options' schemas as they are written in a URL."""
    options = describe()
    number, by_stage = options["strength"].pop("anyOf")
    part = rf"({'|'.join(by_stage['properties'])}):(0(\.\d+)?|1(\.0+)?)"
    options["strength"] |= {
        "anyOf": [number, {"type": "string", "pattern": f"^{part}(,{part})*$"}],
        "description": options["strength"]["description"] + ": denoise:0.5,face:0",
    }
    return options


def parameter(name: str, schema: Schema) -> Schema:
    """Return a parameter of the query, from its JSON schema with a description."""
    plain = {
        key: value
        for key, value in schema.items()
        if key != "description" and (key, value) != ("default", None)
    }
    parameter: Schema = {
        "name": name,
        "in": "query",
        "schema": plain,
        "description": schema["description"],
    }
    return parameter | ({"style": "form", "explode": False} if plain.get("type") == "array" else {})


def _headers() -> list[Schema]:
    texts = {
        "X-Request-Id": "a label of your own for the logs: up to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`",
        "If-None-Match": "ETags of results that you have",
    }
    return [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": text}
        for name, text in texts.items()
    ]


def _body(*, with_mask: bool) -> Schema:
    parts: Schema = {"image": BINARY}
    if with_mask:
        parts["mask"] = {
            **BINARY,
            "description": "of the picture's size after its EXIF rotation; white is filled",
        }
    form = {"type": "object", "required": ["image"], "properties": parts, "additionalProperties": False}
    return {
        "required": True,
        "content": {"image/*": {"schema": BINARY}, "multipart/form-data": {"schema": form}},
    }
