"""The schemas of the OpenAPI document, by name: generators make one type of each."""

from __future__ import annotations

from pydantic import TypeAdapter

from gateway.jobs.records import STATES
from gateway.restore.parts import JSON_FIELD, PSF
from gateway.restore.returns import RETURN
from gateway.routes.presets import NAMES
from photorestore.kinds import Schema
from photorestore.options import STRENGTH_STAGES, describe
from photorestore.report import Report

BINARY: Schema = {"type": "string", "format": "binary"}
_TEXT: Schema = {"type": "string"}
_FREE: Schema = {"type": "object", "additionalProperties": True}
_TIME: Schema = {"type": "string", "format": "date-time"}
_CHOICES = tuple(name for name, schema in describe().items() if "enum" in schema)
"""The options that are one of a few values."""


def ref(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def describe_options() -> dict[str, Schema]:
    """Return each option's schema by the name that callers use, as in JSON.

    Defaults stand in the descriptions: clients that are generated from them would send each default, which is then no
    default any more but asked for.
    """
    options = describe()
    for name in _CHOICES:
        options[name] = _named(_type_name(name), options[name])
    options["stages"]["items"] = ref("Stage")
    number, _ = options["strength"].pop("anyOf")
    options["strength"]["anyOf"] = [number, ref("StrengthByStage")]
    for schema in options.values():
        default = schema.pop("default")
        schema["description"] += "" if default is None else f". Default: {_written(default)}"
    return {NAMES.get(name, name): schema for name, schema in options.items()} | {
        "preset": {**_TEXT, "description": "a preset of the service's operator, for what is not given"}
    }


def components() -> dict[str, Schema]:
    """Return the schemas by name."""
    return {**_options(), **_reports(), **_jobs(), **_service(), "Problem": _problem()}


def _type_name(option: str) -> str:
    """Return `DenoiseMethod` of `denoise_method`."""
    return option.title().replace("_", "")


def _named(name: str, schema: Schema) -> Schema:
    """Return an option's schema that refers to the values' own."""
    rest = {key: schema[key] for key in ("default", "description")}
    return {"allOf": [ref(name)], **rest}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _options() -> dict[str, Schema]:
    values = describe()
    words = {_type_name(name): {key: values[name][key] for key in ("type", "enum")} for name in _CHOICES}
    strength = values["strength"]["anyOf"][0]
    returned = RETURN.schema() | {"description": "the part of the result that is sent"}
    pictures: Schema = {
        "image": {**BINARY, "description": "the picture"},
        "mask": {**BINARY, "description": "of the picture's size after its EXIF rotation; white is filled"},
        PSF: {
            **BINARY,
            "description": "the blur to undo, as a picture of at most 127x127 px; or a text, as in the query",
        },
        "reference": {
            **BINARY,
            "description": "a photograph whose colours the picture is to get, see `colorize`",
        },
    }
    return {
        **words,
        "Stage": values["stages"]["items"],
        "StrengthByStage": _object(dict.fromkeys(STRENGTH_STAGES, strength), required=()),
        "Return": returned,
        "RestoreOptions": _object(describe_options(), required=()),
        "RestoreForm": _object(
            {**pictures, JSON_FIELD: ref("RestoreOptions")},
            required=["image"],
            additionalProperties={**_TEXT, "description": "an option, as it is written in the query"},
        ),
        "AnalyzeForm": _object({"image": pictures["image"]}, required=["image"]),
    }


def _reports() -> dict[str, Schema]:
    """Return the schema of a report and of what it holds, of their classes."""
    schema = TypeAdapter(Report).json_schema(ref_template="#/components/schemas/{model}")
    found: dict[str, Schema] = {**schema.pop("$defs"), "Report": schema}
    for entry in found.values():
        entry["description"] = entry["description"].split("\n\n")[0]
    analysis = {"source": ref("Source"), "found": {**_FREE, "description": "by the stage that found it"}}
    return {**found, "Analysis": _object(analysis)}


def _jobs() -> dict[str, Schema]:
    stage_states = ["waiting", "running", "ran", "passed", "failed"]
    progress = {"type": "object", "additionalProperties": ref("StageState")}
    counts = {name: {"type": "integer"} for name in ("done", "total")}
    steps = {"type": "object", "additionalProperties": _object(counts)}
    job = {
        "id": _TEXT,
        "state": ref("JobState"),
        "created": _TIME,
        "started": _or_null(_TIME) | {"description": "of the latest try"},
        "ended": _or_null(_TIME),
        "expires": _or_null(_TIME)
        | {"description": "when job and result are forgotten; null before the end"},
        "tries": {"type": "integer", "description": "how often it was begun"},
        "progress": progress | {"description": "by stage; of a job that failed only the stage that did"},
        "steps": steps
        | {
            "description": "of stages at work that take minutes, by stage: steps done, and how many there are at most"
        },
        "result": _or_null(ref("JobResult")),
        "problem": _or_null(ref("Problem")),
        "webhook": _or_null(ref("JobWebhook")),
        "links": ref("JobLinks"),
    }
    webhook = {
        "url": _TEXT,
        "state": {"type": "string", "enum": ["pending", "delivered", "failed"]},
        "tries": {"type": "integer"},
        "next": _or_null(_TIME),
        "error": {"type": ["string", "null"]},
    }
    return {
        "JobState": {"type": "string", "enum": list(STATES)},
        "StageState": {"type": "string", "enum": stage_states},
        "Job": _object(job),
        "JobPage": _object(
            {
                "jobs": {"type": "array", "items": ref("Job")},
                "links": _object({"next": {"type": ["string", "null"]}}),
            }
        ),
        "JobResult": _object({"return": ref("Return"), "content_type": _TEXT, "etag": _TEXT}),
        "JobWebhook": _object(webhook),
        "JobLinks": _object({"self": _TEXT, "result": _TEXT}, required=["self"]),
    }


def _service() -> dict[str, Schema]:
    stage = {
        "name": _TEXT,
        "label": _TEXT,
        "does": _TEXT,
        "selectable": {"type": "boolean"},
        "ready_workers": {"type": "integer"},
        "tiers": {"type": "array", "items": ref("Tier")},
        "imported": {"type": "array", "items": _TEXT, "description": "networks that `networks` may name"},
        "methods": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "seconds of one core for a megapixel, by method",
        },
        "cards": {"type": "array", "items": _FREE},
    }
    service = {
        "version": _TEXT,
        "stages": {"type": "array", "items": ref("ServiceStage")},
        "options": {**_FREE, "description": "JSON schemas by option"},
        "presets": {**_FREE, "description": "options by the name of their preset"},
        "jobs": {"type": "boolean", "description": "whether jobs are taken"},
        "formats": _FREE,
        "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    readiness = {
        "ready": {"type": "boolean"},
        "problem": _TEXT,
        "warnings": {"type": "array", "items": _TEXT},
        "stages": _FREE,
    }
    return {
        "Service": _object(service),
        "ServiceStage": _object(stage),
        "Liveness": _object({"status": _TEXT}),
        "Readiness": _object(readiness),
    }


def _problem() -> Schema:
    members = {
        "type": {**_TEXT, "description": "stable name, a URN; docs/api.md lists them"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "what was expected and what was got"},
        "stage": {**_TEXT, "description": "where it was found"},
        "request_id": _TEXT,
    }
    return _object(members)


def _object(
    properties: Schema, *, required: list[str] | tuple[()] | None = None, **keywords: object
) -> Schema:
    """Return the schema of an object; by default it has all of its properties."""
    needed = list(properties) if required is None else list(required)
    return {
        "type": "object",
        "properties": properties,
        **({"required": needed} if needed else {}),
        **keywords,
    }


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}
