"""Options as callers send them: in the query, in fields of a form, or in its field `options`, a JSON object.

`photorestore.options` says which values are allowed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from gateway.restore.parts import JSON_FIELD, Fields
from gateway.restore.returns import RETURN
from gateway.routes.edge import edge_of
from gateway.routes.presets import NAMES, NO_PRESETS, Presets
from photorestore.errors import UnsupportedOption
from photorestore.options import Options, describe

# Any: `dataclasses.replace` takes fields of several types by name.
FINDING: dict[str, Any] = {"strength": 0.0, "scale": 1}
"""Options with which every stage looks for damage and none changes anything."""
_KNOWN = {"preset", "return", *(NAMES.get(name, name) for name in describe())}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        options: of the restoration.
        returned: the part of the result to return, one of `RETURNS`.
        named: the names of all options that were given, by a preset, too.
    """

    options: Options
    returned: str
    named: frozenset[str]


def ask(
    request: Request, fields: Fields, returned: str | None = None, apart: frozenset[str] = frozenset()
) -> Asked:
    """Return what the query and the form's fields ask for.

    Args:
        returned: what the path says is returned.
        apart: names that are no options.

    Raises:
        UnsupportedOption: as in `parse`.
    """
    path = () if returned is None else (("return", returned),)
    query = (*path, *(pair for pair in request.query_params.multi_items() if pair[0] not in apart))
    presets = edge_of(request).presets
    if not fields:
        return _parse_query(query, presets)
    return parse((*query, *(pair for pair in pairs_of(fields) if pair[0] not in apart)), presets)


def pairs_of(fields: Fields) -> tuple[tuple[str, object], ...]:
    """Return names and values of a form's fields; those of the JSON object stand among them.

    Raises:
        UnsupportedOption: the field `options` is no JSON object.
    """
    return tuple(
        pair for name, text in fields for pair in (_members(text) if name == JSON_FIELD else [(name, text)])
    )


def _members(text: str) -> Iterable[tuple[str, object]]:
    """Return the members of a JSON object; null counts as left out."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnsupportedOption(f"options are not JSON: {error}") from error
    if not isinstance(values, dict):
        raise UnsupportedOption(f"options must be a JSON object, not {type(values).__name__}")
    return [(name, value) for name, value in values.items() if value is not None]


@functools.lru_cache(maxsize=256)
def _parse_query(pairs: tuple[tuple[str, str], ...], presets: Presets) -> Asked:
    return parse(pairs, presets)


def parse(pairs: Iterable[tuple[str, object]], presets: Presets = NO_PRESETS) -> Asked:
    """Return what names and values ask for.

    Lists are separated by commas, or given by repeating the name. A preset holds for what is not given.

    Raises:
        UnsupportedOption: names are unknown or given twice, or values are out of range; the message lists all.
    """
    values, problems = _gather(pairs)
    if unknown := sorted(values.keys() - _KNOWN):
        problems.append(f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(_KNOWN))}")
    returned = "image"
    try:
        returned = read_return(values.pop("return", returned))
    except UnsupportedOption as error:
        problems.append(str(error))
    preset: Mapping[str, object] = {}
    try:
        preset = presets.values_of(values.pop("preset", None))
    except UnsupportedOption as error:
        problems.append(str(error))
    known = {**preset, **{name: value for name, value in values.items() if name in _KNOWN}}
    try:
        options = Options.from_mapping(known, NAMES)
    except UnsupportedOption as error:
        problems.append(str(error))
    if problems:
        raise UnsupportedOption("; ".join(dict.fromkeys(problems)))
    return Asked(options, returned, frozenset(known))


def require_colours(returned: str, options: Options) -> None:
    """Check that options ask for colours where it is wanted to know how sure they are.

    To be called when the form has been received, of which fields may ask for them.

    Raises:
        UnsupportedOption: they do not.
    """
    if returned == "confidence" and not options.may_look("colorize"):
        raise UnsupportedOption(
            "return is 'confidence', which is of new colours; colorize or hints asks for them"
        )


def _gather(pairs: Iterable[tuple[str, object]]) -> tuple[dict[str, object], list[str]]:
    """Return values by name, and what is given twice."""
    values: dict[str, object] = {}
    problems: list[str] = []
    for name, value in pairs:
        before = values.get(name)
        if name not in values:
            values[name] = value
        elif name == "stages" and isinstance(before, str) and isinstance(value, str):
            values[name] = f"{before},{value}"
        else:
            problems.append(f"{name} is given twice")
    return values, problems


def read_return(value: object) -> str:
    """Return which of `RETURNS` a value stands for.

    Raises:
        UnsupportedOption: it stands for none of them.
    """
    returned = RETURN.read(value)
    if not RETURN.accepts(returned):
        raise UnsupportedOption(f"return is {value!r}; expected {RETURN.expected}")
    return str(returned)
