"""The schemas of the OpenAPI document, by name: generators make one type of each."""

from __future__ import annotations

from pydantic import TypeAdapter

from gateway.restore.parts import JSON_FIELD, PSF
from gateway.restore.returns import RETURN
from gateway.routes.job_schemas import job_schemas
from gateway.routes.presets import NAMES
from gateway.routes.schema_parts import BINARY, FREE, TEXT, object_of, ref
from photorestore.kinds import Schema
from photorestore.options import STRENGTH_STAGES, describe
from photorestore.report import Report

_CHOICES = tuple(name for name, schema in describe().items() if "enum" in schema)
"""The options that are one of a few values."""


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
        "preset": {**TEXT, "description": "a preset of the service's operator, for what is not given"}
    }


def components() -> dict[str, Schema]:
    """Return the schemas by name."""
    return {**_options(), **_reports(), **job_schemas(), **_service(), "Problem": _problem()}


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
        "StrengthByStage": object_of(dict.fromkeys(STRENGTH_STAGES, strength), required=()),
        "Return": returned,
        "RestoreOptions": object_of(describe_options(), required=()),
        "RestoreForm": object_of(
            {**pictures, JSON_FIELD: ref("RestoreOptions")},
            required=["image"],
            additionalProperties={**TEXT, "description": "an option, as it is written in the query"},
        ),
        "AnalyzeForm": object_of({"image": pictures["image"]}, required=["image"]),
    }


def _reports() -> dict[str, Schema]:
    """Return the schema of a report and of what it holds, of their classes."""
    schema = TypeAdapter(Report).json_schema(ref_template="#/components/schemas/{model}")
    found: dict[str, Schema] = {**schema.pop("$defs"), "Report": schema}
    for entry in found.values():
        entry["description"] = entry["description"].split("\n\n")[0]
    analysis = {"source": ref("Source"), "found": {**FREE, "description": "by the stage that found it"}}
    return {**found, "Analysis": object_of(analysis)}


def _service() -> dict[str, Schema]:
    stage = {
        "name": TEXT,
        "label": TEXT,
        "does": TEXT,
        "selectable": {"type": "boolean"},
        "ready_workers": {"type": "integer"},
        "tiers": {"type": "array", "items": ref("Tier")},
        "imported": {"type": "array", "items": TEXT, "description": "networks that `networks` may name"},
        "methods": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "seconds of one core for a megapixel, by method",
        },
        "cards": {"type": "array", "items": FREE},
    }
    service = {
        "version": TEXT,
        "stages": {"type": "array", "items": ref("ServiceStage")},
        "options": {**FREE, "description": "JSON schemas by option"},
        "presets": {**FREE, "description": "options by the name of their preset"},
        "jobs": {"type": "boolean", "description": "whether jobs are taken"},
        "formats": FREE,
        "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    readiness = {
        "ready": {"type": "boolean"},
        "problem": TEXT,
        "warnings": {"type": "array", "items": TEXT},
        "stages": FREE,
    }
    return {
        "Service": object_of(service),
        "ServiceStage": object_of(stage),
        "Liveness": object_of({"status": TEXT}),
        "Readiness": object_of(readiness),
    }


def _problem() -> Schema:
    members = {
        "type": {**TEXT, "description": "stable name, a URN; docs/api.md lists them"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": {**TEXT, "description": "what was expected and what was got"},
        "stage": {**TEXT, "description": "where it was found"},
        "request_id": TEXT,
    }
    return object_of(members)
