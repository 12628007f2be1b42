"""What the OpenAPI document says about the routes, beyond what FastAPI finds out."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.restore.returns import FORM, MEDIA_TYPES, OCTETS
from gateway.routes.schema_parts import BINARY, ref
from gateway.routes.schemas import components, describe_options
from photorestore.imaging.files.sniff import ACCEPTED, RAW
from photorestore.kinds import Schema
from photorestore.options import STRENGTH_STAGES

TITLE = "photorestore API"
"""Generators name the package of a client after it; `photorestore` is the service, `photorestore_client` our client."""
TAGS: list[Schema] = [
    {"name": "pictures", "description": "Restore a picture while you wait, and ask what this service can."},
    {"name": "jobs", "description": "Leave a picture and come back for the result."},
    {"name": "operations", "description": "Health and metrics."},
]
LONGEST_IN_URL = 8000
"""Most characters of an option in the query: proxies and servers refuse a URL that is much longer."""
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
_OCTETS: Schema = {OCTETS: {"schema": BINARY}}
"""First among binary types: some generators know no other."""
PICTURES: Schema = {
    **_OCTETS,
    **{f"image/{name}": {"schema": BINARY} for name in ACCEPTED if name not in RAW},
}
"""Of answers: a raw file is never one."""
MASK: Schema = {**_OCTETS, MEDIA_TYPES["mask"]: {"schema": BINARY}}
BUNDLES: Schema = {**_OCTETS, FORM: {"schema": BINARY}, MEDIA_TYPES["bundle"]: {"schema": BINARY}}


def document(name: str) -> Schema:
    """Return the content of an answer that is JSON of a named schema."""
    return {"application/json": {"schema": ref(name)}}


def complete(schema: Schema, *, needs_key: bool, public_path: str) -> None:
    """Add the named schemas, and take out what this service never asks for or answers.

    Args:
        needs_key: whether this service asks for API keys.
        public_path: where callers find the service, without a slash at the end.
    """
    for path in schema["paths"].values():
        for operation in path.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
            if not needs_key:
                operation.pop("security", None)
    schema["servers"] = [{"url": public_path or "/"}]
    schema["components"]["schemas"] = components()


def problems(texts: Mapping[int, str] = STATUSES) -> dict[int | str, Schema]:
    """Return answers that are problems; by default all those of a restoring route."""
    content = {"application/problem+json": {"schema": ref("Problem")}}
    return {status: {"description": text, "content": content} for status, text in texts.items()}


def answers(content: Schema) -> dict[int | str, Schema]:
    """Return all answers of a restoring route.

    Args:
        content: the schemas of the answer 200 by media type.
    """
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()}
    return {200: {"description": "the result", "content": content, "headers": headers}, **problems()}


def restore_operation() -> Schema:
    """Return the query, headers and body of the routes that restore."""
    options = [parameter(name, schema) for name, schema in _in_query().items()]
    return {"parameters": [*options, *_headers()], "requestBody": _body("RestoreForm")}


def analyze_operation() -> Schema:
    """Return the query, headers and body of `POST /v1/analyze`."""
    timeout = parameter("timeout", describe_options()["timeout"])
    return {"parameters": [timeout, *_headers()], "requestBody": _body("AnalyzeForm")}


def parameter(name: str, schema: Schema) -> Schema:
    """Return a parameter of the query, from its JSON schema with a description."""
    plain = {key: value for key, value in schema.items() if key != "description"}
    if "allOf" in plain:
        (plain,) = plain["allOf"]
    parameter: Schema = {
        "name": name,
        "in": "query",
        "schema": plain,
        "description": schema["description"],
    }
    return parameter | ({"style": "form", "explode": False} if plain.get("type") == "array" else {})


def _in_query() -> dict[str, Schema]:
    """Return the options' schemas as they are written in a URL."""
    options = describe_options()
    number, _ = options["strength"]["anyOf"]
    part = rf"({'|'.join(STRENGTH_STAGES)}):(0(\.\d+)?|1(\.0+)?)"
    options["strength"] |= {
        "anyOf": [number, {"type": "string", "pattern": f"^{part}(,{part})*$"}],
        "description": options["strength"]["description"] + "; by stage: denoise:0.5,face:0",
    }
    options["psf"] |= {
        "maxLength": LONGEST_IN_URL,
        "description": options["psf"]["description"] + "; a picture had better be a part of a form",
    }
    return options


def _headers() -> list[Schema]:
    texts = {
        "X-Request-Id": "a label of your own for the logs: up to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`",
        "If-None-Match": "ETags of results that you have",
    }
    return [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": text}
        for name, text in texts.items()
    ]


def _body(form: str) -> Schema:
    """Return the body; the form stands first, for generators that take only one, since it can hold a mask."""
    return {
        "required": True,
        "description": "a form, in which options may stand, too; or the picture alone, of whatever Content-Type",
        "content": {FORM: {"schema": ref(form)}, OCTETS: {"schema": BINARY}},
    }
