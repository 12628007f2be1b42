"""Frozen dataclasses as JSON documents, and back: what travels between stages is checked when it is read.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

_ACCEPTED: dict[object, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}


def document_of(record: DataclassInstance) -> dict[str, object]:
    """Return a record's fields by name, as `json.dumps` takes them, in the order of their declaration.

    A field whose default is None is left out where it is None.
    """
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    optional = {field.name for field in fields(record) if field.default is None}
    return {
        name: _plain(value) for name, value in values.items() if value is not None or name not in optional
    }


def read_record(kind: type[Record], document: object) -> Record:
    """Return the record of a class that `document_of` made a decoded JSON document of.

    Fields are `bool`, `int`, `float`, `str`, tuples and dictionaries of them, other records, `object` for what is not
    looked at, and each of these or None.

    Raises:
        ValueError: a field is unknown, lacking or of another type.
    """
    if not isinstance(document, dict):
        raise ValueError(f"{kind.__name__} is {document!r:.100}")  # noqa: TRY004 - the document's fault
    types = _types_of(kind)
    required = {field.name for field in fields(kind) if field.default is field.default_factory is MISSING}
    if wrong := (document.keys() - types.keys()) | (required - document.keys()):
        raise ValueError(f"{kind.__name__} lacks or does not know {', '.join(sorted(map(str, wrong)))}")
    make: Callable[..., Record] = kind
    return make(**{name: _value(types[name], value) for name, value in document.items()})


@cache
def _types_of(kind: type[DataclassInstance]) -> dict[str, object]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return document_of(value)
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value


def _value(kind: object, value: object) -> object:
    """A field's value out of decoded JSON."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (other,) = (part for part in parts if part is not NoneType)
        return None if value is None else _value(other, value)
    if origin is tuple and isinstance(value, list):
        kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(_value(part, entry) for part, entry in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {name: _value(parts[1], entry) for name, entry in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return read_record(kind, value)
    if kind is object or (
        isinstance(value, _ACCEPTED.get(kind, ())) and (kind is bool) == isinstance(value, bool)
    ):
        return value
    raise ValueError(f"{value!r:.100} is no {kind}")
