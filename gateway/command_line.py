"""Settings as an operator writes them: the command line overrides the environment, which overrides the defaults."""

from __future__ import annotations

import argparse
import dataclasses
import re
import typing
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from gateway.settings import RULE, GatewaySettings

PREFIX = "PHOTORESTORE_GATEWAY_"
"""Prefix of the environment variables, as in `PHOTORESTORE_GATEWAY_MAX_REQUESTS`."""
ROOT_VARIABLE = "PHOTORESTORE_WORKSPACE"
"""Variable that the backend reads, too: both must use the same folder."""


class _Given(NamedTuple):
    """A setting as it was written, and the variable or option that set it."""

    place: str
    value: str | bool


_HINTS = typing.get_type_hints(GatewaySettings, include_extras=True)
_SETTINGS = TypeAdapter(GatewaySettings)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> GatewaySettings:
    """Return settings from a command line and the environment.

    Raises:
        ValueError: unknown variables with the edge's prefix, or invalid values; the message has a line for each.
    """
    given = _from_environment(environment) | _from_command_line(arguments)
    unknown = sorted(given.keys() - _HINTS.keys())
    problems = [f"unknown variable {given.pop(name).place}" for name in unknown]
    try:
        settings = _SETTINGS.validate_python({name: entry.value for name, entry in given.items()})
    except ValidationError as error:
        problems = [_told(found, given) for found in error.errors()] + problems
    if problems:
        raise ValueError("\n".join(problems))
    return settings


def _from_environment(environment: Mapping[str, str]) -> dict[str, _Given]:
    given = {
        name.removeprefix(PREFIX).lower(): _Given(name, text)
        for name, text in environment.items()
        if name.startswith(PREFIX)
    }
    if root := environment.get(ROOT_VARIABLE):
        given.setdefault("workspace_root", _Given(ROOT_VARIABLE, root))
    return given


def _from_command_line(arguments: Sequence[str]) -> dict[str, _Given]:
    parser = argparse.ArgumentParser(
        prog="python -m gateway serve",
        description="The REST edge.",
        epilog=f"Every option can be set in the environment, for example {PREFIX}MAX_REQUESTS=8.",
    )
    flags = {
        option.name: "--" + option.name.replace("_", "-") for option in dataclasses.fields(GatewaySettings)
    }
    for option in dataclasses.fields(GatewaySettings):
        shown = f" [{option.default}]" if isinstance(option.default, str | int | float) else ""
        action = "store_true" if _HINTS[option.name].__origin__ is bool else "store"
        text = _HINTS[option.name].__metadata__[-1] + shown
        parser.add_argument(flags[option.name], action=action, default=None, help=text)
    values = vars(parser.parse_args(arguments))
    return {name: _Given(flags[name], value) for name, value in values.items() if value is not None}


def _told(error: ErrorDetails, given: Mapping[str, _Given]) -> str:
    """Say what is wrong with a setting. Values that may hold passwords or tokens are not shown."""
    if error["type"] == RULE:
        return error["msg"]
    name = str(error["loc"][0])
    expected = next(text for text in _HINTS[name].__metadata__ if isinstance(text, str))
    shown = repr(error["input"])
    if re.search("[@?#]", shown):
        shown = "not shown, for it may hold a secret"
    return f"{given[name].place} is {shown}; expected {expected}"
