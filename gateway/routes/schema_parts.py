"""What the schemas of the OpenAPI document are made of."""

from __future__ import annotations

from photorestore.kinds import Schema

BINARY: Schema = {"type": "string", "format": "binary"}
TEXT: Schema = {"type": "string"}
FREE: Schema = {"type": "object", "additionalProperties": True}
TIME: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(
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


def or_null(schema: Schema) -> Schema:
    """Return the schema of what may be null, too."""
    return {"anyOf": [schema, {"type": "null"}]}
