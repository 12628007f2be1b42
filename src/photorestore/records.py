"""Turn frozen dataclasses into JSON documents and back, checked: so they travel between stages.

Every stage of every request reads and writes an envelope, so each class is inspected once only.
No torch here: the REST edge imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from itertools import repeat
from types import NoneType, UnionType
from typing import TYPE_CHECKING, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

_PLAIN = (str, float, int, bool, NoneType)


class _Reader(NamedTuple):
    """Makes a field's value out of decoded JSON.

    Attributes:
        read: makes the value, or raises `ValueError`.
        as_they_are: the types of JSON values that need no `read`: most fields hold one, and so cost no call.
    """

    read: Callable[[object], object]
    as_they_are: frozenset[object] = frozenset()


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
    values = {}
    for name, value in document.items():
        read, as_they_are = readers[name]
        values[name] = value if type(value) in as_they_are else read(value)
    make: Callable[..., Record] = kind
    return make(**values)


@cache
def _names_of(kind: type[DataclassInstance]) -> tuple[tuple[str, bool], ...]:
    """The names of a class's fields, and whether their default is None."""
    return tuple((field.name, field.default is None) for field in fields(kind))


@cache
def _readers_of(kind: type[DataclassInstance]) -> tuple[dict[str, _Reader], frozenset[str]]:
    """The readers of a class's fields by name, and the names of those that have no default."""
    hints = get_type_hints(kind)
    required = (field.name for field in fields(kind) if field.default is field.default_factory is MISSING)
    return {field.name: _reader_of(hints[field.name]) for field in fields(kind)}, frozenset(required)


def _reader_of(kind: object) -> _Reader:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (other,) = (_reader_of(part) for part in parts if part is not NoneType)
        return other._replace(as_they_are=other.as_they_are | {NoneType})
    if origin is tuple:
        of_any_length = parts[-1] is Ellipsis
        readers = [_reader_of(part) for part in parts if part is not Ellipsis]
        return _Reader(partial(_read_tuple, readers, of_any_length))
    if origin is dict:
        return _Reader(partial(_read_dict, _reader_of(parts[1])))
    if isinstance(kind, type) and is_dataclass(kind):
        return _Reader(partial(read_record, kind))
    if kind is object:
        return _Reader(lambda value: value)
    return _Reader(partial(_refuse, kind), frozenset((float, int) if kind is float else (kind,)))


def _read_tuple(readers: list[_Reader], of_any_length: bool, value: object) -> object:  # noqa: FBT001 - for `partial`
    if not isinstance(value, list) or not (of_any_length or len(value) == len(readers)):
        raise ValueError(f"{value!r:.100} is no such list")
    each = repeat(readers[0]) if of_any_length else readers
    return tuple(
        [
            entry if type(entry) in as_they_are else read(entry)
            for (read, as_they_are), entry in zip(each, value, strict=False)
        ]
    )


def _read_dict(reader: _Reader, value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.100} is no object")  # noqa: TRY004 - the document's fault
    read, as_they_are = reader
    return {name: entry if type(entry) in as_they_are else read(entry) for name, entry in value.items()}


def _refuse(kind: object, value: object) -> object:
    raise ValueError(f"{value!r:.100} is no {kind}")


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [entry if type(entry) in _PLAIN else _plain(entry) for entry in value]
    if isinstance(value, dict):
        return {name: entry if type(entry) in _PLAIN else _plain(entry) for name, entry in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return document_of(value)
    return value
