"""What a caller may ask for. No torch here: the REST edge imports this module."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from photorestore.errors import UnsupportedOption
from photorestore.stages.table import ROWS, STAGE_ROWS

STAGES = tuple(row.name for row in ROWS)
"""All stages, in the order of the pipeline."""

SELECTABLE_STAGES = tuple(row.name for row in ROWS if row.is_selectable)
"""The stages that `stages` may name. Of the others some go by options of their own, the rest always work."""

STRENGTH_STAGES = tuple(row.name for row in ROWS if row.has_strength)
"""The stages that can do their work in part."""

GENTLE, THOROUGH = "gentle", "thorough"
"""How much is done by default: what is beyond doubt, or the whole chain at full strength."""

UNTOUCHED = "untouched"
"""What `AUTO` makes of line art, text and the like: no stage works. Nobody asks for it; `stages=()` does the same."""

SCALES = (1, 2, 4)
"""Enlargements; 1 is none."""

TIERS = ("fast", "quality")
"""Sizes of each network: for serving on a CPU, and on a GPU."""

AUTO = "auto"
"""In place of a tier: the stage's configuration and its device decide. In place of a mode: the picture decides."""

MODES = (AUTO, GENTLE, THOROUGH)

FORMATS = ("jpeg", "png", "webp", "tiff", "avif")
"""Formats that can be delivered."""

DEFAULT_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Options:
    """How one picture is to be restored. Checks itself.

    Attributes:
        mode: one of `MODES`, for the stages that `stages` leaves undecided. `auto` is thorough with what is judged an
            old or damaged print, gentle with other photographs, and leaves line art alone.
        stages: the network stages that must work, from `SELECTABLE_STAGES`; an empty tuple makes all of
            them pass; None lets the mode and the judgement of the picture decide.
        strength: 0 leaves the picture as it is, 1 restores fully; or such a number for each of some of
            `STRENGTH_STAGES`, the others work fully.
        sigma_255: noise level in 8-bit units when the caller knows it; None = estimated.
        normalise: correct colour cast, fading and contrast by classical means first.
        scale: enlargement, one of `SCALES`.
        tier: which networks work, one of `TIERS`; or `AUTO`.
        format: one of `FORMATS`; None = what `Accept` allows: the upload's bytes where nothing was changed, else JPEG
            by default.
        quality: 1 to 100, for lossy formats.
        metadata: `keep`, `strip`, or `no-gps`.
        colour: `srgb`, or `source`: the upload's own colours.
        timeout_s: seconds the caller will wait, 1 to 600.

    Raises:
        UnsupportedOption: a value is out of range; all problems are named at once.
    """

    mode: str = AUTO
    stages: tuple[str, ...] | None = None
    strength: float | Mapping[str, float] = 1.0
    sigma_255: float | None = None
    normalise: bool = False
    scale: int = 1
    tier: str = AUTO
    format: str | None = None
    quality: int = DEFAULT_QUALITY
    metadata: str = "keep"
    colour: str = "srgb"
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {getattr(self, name)!r}; expected {expected}"
            for name, (check, expected) in _RULES.items()
            if not check(getattr(self, name))
        ]
        if problems:
            raise UnsupportedOption("; ".join(problems))

    def wants(self, stage: str) -> bool | None:
        """True: must work. False: must pass. None: the picture decides."""
        return None if self.stages is None else stage in self.stages

    def strength_of(self, stage: str) -> float:
        """0 to 1: how much of its work a stage is to do."""
        if isinstance(self.strength, Mapping):
            return self.strength.get(stage, 1.0)
        return self.strength

    def may_work(self, stage: str) -> bool:
        """Whether a stage works on some pictures with these options."""
        row = STAGE_ROWS[stage]
        if row.has_strength and self.strength_of(stage) == 0:
            return False
        if row.is_selectable:
            return self.wants(stage) is not False
        return not row.options or any(getattr(self, name) != _DEFAULTS[name] for name in row.options)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Options:
        """Options from decoded JSON.

        Raises:
            UnsupportedOption: unknown names, or values out of range.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(map(str, values.keys() - known))
        if unknown:
            raise UnsupportedOption(
                f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
        stages = values.get("stages")
        if isinstance(stages, list):
            values = {**values, "stages": tuple(stages)}
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> Options:
        """Options from a JSON object, as in the header `X-Restore-Options`.

        Raises:
            UnsupportedOption: not a JSON object, or as in `from_mapping`.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UnsupportedOption(f"options are not JSON: {error}") from error
        if not isinstance(values, dict):
            raise UnsupportedOption(f"options must be a JSON object, not {type(values).__name__}")
        return cls.from_mapping(values)

    def to_mapping(self) -> dict[str, object]:
        """The inverse of `from_mapping`."""
        return {option.name: getattr(self, option.name) for option in fields(self)}


_DEFAULTS = {option.name: option.default for option in fields(Options)}


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _are_stages(value: object) -> bool:
    return value is None or (isinstance(value, tuple) and all(stage in SELECTABLE_STAGES for stage in value))


def _is_strength(value: object) -> bool:
    if isinstance(value, Mapping):
        return value.keys() <= set(STRENGTH_STAGES) and all(
            _is_number(entry, 0, 1) for entry in value.values()
        )
    return _is_number(value, 0, 1)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "mode": (
        lambda value: value in MODES,
        (
            f"{GENTLE} (only what is beyond doubt), {THOROUGH} (the whole chain at full strength) or {AUTO} (thorough "
            "for what is judged an old or damaged print, gentle for other photographs; line art and text untouched)"
        ),
    ),
    "stages": (_are_stages, f"a list from {', '.join(SELECTABLE_STAGES)}; scale enlarges"),
    "strength": (
        _is_strength,
        f"a number from 0 to 1, or one for each of some of {', '.join(STRENGTH_STAGES)}",
    ),
    "sigma_255": (lambda value: value is None or _is_number(value, 0, 100), "a number from 0 to 100"),
    "normalise": (lambda value: isinstance(value, bool), "true or false"),
    "scale": (lambda value: type(value) is int and value in SCALES, "1, 2 or 4"),
    "tier": (lambda value: value in (AUTO, *TIERS), f"one of {', '.join((AUTO, *TIERS))}"),
    "format": (lambda value: value is None or value in FORMATS, f"one of {', '.join(FORMATS)}"),
    "quality": (lambda value: isinstance(value, int) and _is_number(value, 1, 100), "1 to 100"),
    "metadata": (lambda value: value in ("keep", "strip", "no-gps"), "keep, strip or no-gps"),
    "colour": (lambda value: value in ("srgb", "source"), "srgb or source"),
    "timeout_s": (lambda value: _is_number(value, 1, 600), "a number from 1 to 600"),
}

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "mode": {"type": "string", "enum": list(MODES)},
    "stages": {"type": "array", "items": {"type": "string", "enum": list(SELECTABLE_STAGES)}},
    "strength": {
        "anyOf": [
            _SHARE,
            {
                "type": "object",
                "properties": dict.fromkeys(STRENGTH_STAGES, _SHARE),
                "additionalProperties": False,
            },
        ]
    },
    "sigma_255": {"type": "number", "minimum": 0, "maximum": 100},
    "normalise": {"type": "boolean"},
    "scale": {"type": "integer", "enum": list(SCALES)},
    "tier": {"type": "string", "enum": [AUTO, *TIERS]},
    "format": {"type": "string", "enum": list(FORMATS)},
    "quality": {"type": "integer", "minimum": 1, "maximum": 100},
    "metadata": {"type": "string", "enum": ["keep", "strip", "no-gps"]},
    "colour": {"type": "string", "enum": ["srgb", "source"]},
    "timeout_s": {"type": "number", "minimum": 1, "maximum": 600},
}


def describe() -> dict[str, dict[str, Any]]:
    """Each option as a JSON schema, with its default and what is expected."""
    return {
        option.name: {
            **_SCHEMAS[option.name],
            "default": option.default,
            "description": _RULES[option.name][1],
        }
        for option in fields(Options)
    }
