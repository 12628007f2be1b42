"""Say what the values of options may be: how they are read, their ranges and their JSON schemas.

The same rule holds wherever options come in: the case of a text, and spaces around it, do not matter. Imports only the
standard library, because all workers import this module (ADR 23). Texts with a grammar are in `text_kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Schema: TypeAlias = dict[str, Any]
"""A JSON schema; its keywords have values of all types."""

LONGEST_QUOTED = 200
"""Most characters of a wrong value that a message repeats."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Kind(Protocol):
    """What one option's value may be."""

    @property
    def expected(self) -> str:
        """Return what a value must be, in words."""

    def read(self, value: object) -> object:
        """Return what a text, or a value from JSON, stands for; a value that is not understood comes back as it is."""

    def accepts(self, value: object) -> bool:
        """Return whether a value that was read is of this kind and in range."""

    def schema(self) -> Schema:
        """Return the values as a JSON schema."""


@dataclass(frozen=True, slots=True)
class Word:
    """One of several words.

    Attributes:
        synonyms: further ways to write them.
        explained: the words with what they mean; empty if they need no explanation.
    """

    words: tuple[str, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    explained: str = ""

    @property
    def expected(self) -> str:
        return self.explained or f"one of {', '.join(self.words)}"

    def read(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        word = value.strip().lower()
        word = self.synonyms.get(word, word)
        return word if word in self.words else value

    def accepts(self, value: object) -> bool:
        return value in self.words

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Words:
    """Some of several words: a list, or a text with commas.

    Attributes:
        note: what to add where they are listed.
    """

    words: tuple[str, ...]
    note: str = ""

    @property
    def expected(self) -> str:
        return "; ".join(filter(None, (f"a list from {', '.join(self.words)}", self.note)))

    def read(self, value: object) -> object:
        if isinstance(value, str):
            value = [part for part in value.split(",") if part.strip()]
        return tuple(map(Word(self.words).read, value)) if isinstance(value, list | tuple) else value

    def accepts(self, value: object) -> bool:
        return isinstance(value, tuple) and all(word in self.words for word in value)

    def schema(self) -> Schema:
        return {"type": "array", "items": Word(self.words).schema()}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false; as texts also 1 and 0."""

    @property
    def expected(self) -> str:
        return "true or false"

    def read(self, value: object) -> object:
        return _FLAGS.get(value.strip().lower(), value) if isinstance(value, str) else value

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`, both included."""

    low: float
    high: float

    @property
    def expected(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def read(self, value: object) -> object:
        return _number(value)

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        )

    def schema(self) -> Schema:
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`, both included; 2.0 is one, too."""

    low: int
    high: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: object) -> object:
        return _whole(value)

    def accepts(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class OneWhole:
    """One of several whole numbers."""

    numbers: tuple[int, ...]

    @property
    def expected(self) -> str:
        *others, last = map(str, self.numbers)
        return f"{', '.join(others)} or {last}"

    def read(self, value: object) -> object:
        return _whole(value)

    def accepts(self, value: object) -> bool:
        return type(value) is int and value in self.numbers

    def schema(self) -> Schema:
        return {"type": "integer", "enum": list(self.numbers)}


@dataclass(frozen=True, slots=True)
class NumberByName:
    """One number for all, or one for each of some names: an object, or a text like `denoise:0.5,face:0`."""

    names: tuple[str, ...]
    number: Number

    @property
    def expected(self) -> str:
        return f"{self.number.expected}, or one for each of some of {', '.join(self.names)}"

    def read(self, value: object) -> object:
        if isinstance(value, str) and ":" in value:
            parts = [part.partition(":") for part in value.split(",")]
            entries: list[tuple[object, object]] = [(name, text) for name, _, text in parts]
        elif isinstance(value, Mapping):
            entries = list(value.items())
        else:
            return self.number.read(value)
        word = Word(self.names)
        found = {word.read(name): self.number.read(entry) for name, entry in entries}
        return found if len(found) == len(entries) else value  # else a name is given twice

    def accepts(self, value: object) -> bool:
        if isinstance(value, Mapping):
            return value.keys() <= set(self.names) and all(map(self.number.accepts, value.values()))
        return self.number.accepts(value)

    def schema(self) -> Schema:
        by_name = dict.fromkeys(self.names, self.number.schema())
        return {
            "anyOf": [
                self.number.schema(),
                {"type": "object", "properties": by_name, "additionalProperties": False},
            ]
        }


def shortened(value: object) -> str:
    """Return a value as it was given; of a long text, as a picture in a data URL is, the beginning."""
    written = repr(value)
    return written if len(written) <= LONGEST_QUOTED else f"{written[:LONGEST_QUOTED]}..."


def _number(value: object) -> object:
    if not isinstance(value, str) or not _NUMBER.fullmatch(text := value.strip()):
        return value
    number = float(text)
    is_written_whole = text.lstrip("+-").isdigit() and number.is_integer()
    return int(number) if is_written_whole else number


def _whole(value: object) -> object:
    number = _number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number
