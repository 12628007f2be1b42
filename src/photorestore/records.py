"""Turn frozen dataclasses into JSON documents and back, checked: so they travel between stages.

Every stage of every request reads and writes an envelope, so each class is inspected once only.
No torch here: the REST edge imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")
Reader = Callable[[object], object]
"""Makes a field's value out of decoded JSON, or raises `ValueError`."""

_PLAIN = (str, float, int, bool, NoneType)


def values_of(record: DataclassInstance) -> dict[str, object]:
    """Return a record's fields by name, uncopied (`dataclasses.asdict` copies them deeply)."""
    return {name: getattr(record, name) for name, _ in _names_of(type(record))}


def document_of(record: DataclassInstance) -> dict[str, object]:
    """Return a record's fields by name, as `json.dumps` takes them, in the order of their declaration.

    A field whose default is None is left out where it is None.
    """
    values = ((name, getattr(record, name), is_optional) for name, is_optional in _names_of(type(record)))
    return {
        name: value if type(value) in _PLAIN else _plain(value)
        for name, value, is_optional in values
        if value is not None or not is_optional
    }


def read_record(kind: type[Record], document: object) -> Record:
    """Return a record of a class, read from the decoded JSON of a `document_of`.

    Fields may be `bool`, `int`, `float`, `str`, tuples and dictionaries of them, other records, `object` for what is
    not checked, and each of these or None.

    Raises:
        ValueError: a field is unknown, lacking or of another type.
    """
    if not isinstance(document, dict):
        raise ValueError(f"{kind.__name__} is {document!r:.100}")  # noqa: TRY004 - the document's fault
    readers, required = _readers_of(kind)
    if not required <= document.keys() <= readers.keys():
        wrong = (document.keys() - readers.keys()) | (required - document.keys())
        raise ValueError(f"{kind.__name__} lacks or does not know {', '.join(sorted(map(str, wrong)))}")
    make: Callable[..., Record] = kind
    return make(**{name: readers[name](value) for name, value in document.items()})


@cache
def _names_of(kind: type[DataclassInstance]) -> tuple[tuple[str, bool], ...]:
    """The names of a class's fields, and whether their default is None."""
    return tuple((field.name, field.default is None) for field in fields(kind))


@cache
def _readers_of(kind: type[DataclassInstance]) -> tuple[dict[str, Reader], frozenset[str]]:
    """The readers of a class's fields by name, and the names of those that have no default."""
    hints = get_type_hints(kind)
    required = (field.name for field in fields(kind) if field.default is field.default_factory is MISSING)
    return {field.name: _reader_of(hints[field.name]) for field in fields(kind)}, frozenset(required)


def _reader_of(kind: object) -> Reader:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (other,) = (part for part in parts if part is not NoneType)
        return partial(_read_optional, _reader_of(other))
    if origin is tuple:
        of_any_length = parts[-1] is Ellipsis
        return partial(
            _read_tuple, [_reader_of(part) for part in parts if part is not Ellipsis], of_any_length
        )
    if origin is dict:
        return partial(_read_dict, _reader_of(parts[1]))
    if isinstance(kind, type) and is_dataclass(kind):
        return partial(read_record, kind)
    if kind is object:
        return lambda value: value
    return partial(_read_plain, (float, int) if kind is float else (kind,))


def _read_optional(other: Reader, value: object) -> object:
    return None if value is None else other(value)


def _read_tuple(readers: list[Reader], of_any_length: bool, value: object) -> object:  # noqa: FBT001 - for `partial`
    if not isinstance(value, list) or not (of_any_length or len(value) == len(readers)):
        raise ValueError(f"{value!r:.100} is no such list")
    if of_any_length:
        return tuple(map(readers[0], value))
    return tuple(reader(entry) for reader, entry in zip(readers, value, strict=True))


def _read_dict(reader: Reader, value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.100} is no object")  # noqa: TRY004 - the document's fault
    return {name: reader(entry) for name, entry in value.items()}


def _read_plain(kinds: tuple[object, ...], value: object) -> object:
    if type(value) not in kinds:
        raise ValueError(f"{value!r:.100} is no {kinds[0]}")
    return value


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [entry if type(entry) in _PLAIN else _plain(entry) for entry in value]
    if isinstance(value, dict):
        return {name: entry if type(entry) in _PLAIN else _plain(entry) for name, entry in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return document_of(value)
    return value
