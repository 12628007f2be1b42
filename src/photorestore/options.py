"""Say what a caller may ask for. No torch here: the REST edge imports this module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

from photorestore import methods, network_words
from photorestore.errors import UnsupportedOption
from photorestore.kinds import Flag, Kind, Number, NumberByName, OneWhole, Whole, Word, Words, shortened
from photorestore.methods import NETWORK
from photorestore.records import values_of
from photorestore.stage_table import ROWS, STAGE_ROWS
from photorestore.text_kinds import BlurText, HintWords, NetworkWords

STAGES = tuple(row.name for row in ROWS)
"""All stages, in the order of the pipeline."""

SELECTABLE_STAGES = tuple(row.name for row in ROWS if row.is_selectable)
"""The stages that `stages` may name. Of the others some follow options of their own, the rest always work."""

STRENGTH_STAGES = tuple(row.name for row in ROWS if row.has_strength)
"""The stages that can do their work in part."""

NETWORK_STAGES = tuple(row.name for row in ROWS if row.takes_networks)
"""The stages in which a network from elsewhere may work."""

GENTLE, THOROUGH = "gentle", "thorough"
"""How much is done by default: what is beyond doubt, or the whole chain at full strength."""

UNTOUCHED = "untouched"
"""The mode that `AUTO` chooses for line art, text and the like: no stage works. Callers ask for it by `stages=()`."""

SCALES = (1, 2, 4)
"""Enlargements; 1 is none."""

TIERS = ("fast", "quality")
"""Sizes of each network: for serving on a CPU, and on a GPU."""

AUTO = "auto"
"""As a tier: the stage's configuration and its device decide. As a mode: the picture decides."""

MODES = (AUTO, GENTLE, THOROUGH)

FORMATS = ("jpeg", "png", "webp", "tiff", "avif")
"""Formats that can be delivered."""

DEFAULT_QUALITY = 95

_OWN_NAMES: Mapping[str, str] = MappingProxyType({})
_MODES_EXPLAINED = (
    f"{GENTLE} (only what is beyond doubt), {THOROUGH} (the whole chain at full strength) or {AUTO} (thorough for "
    "what is judged an old or damaged print, gentle for other photographs; line art and text untouched)"
)


@dataclass(frozen=True, slots=True)
class Options:
    """How one picture is to be restored. Checks itself. What an option may be stands beside it, and nowhere else.

    Attributes:
        mode: one of `MODES`, for the stages that `stages` leaves undecided. `auto` is thorough with what is judged an
            old or damaged print, gentle with other photographs, and leaves line art alone.
        stages: those of `SELECTABLE_STAGES` that must work, while the others pass; None: mode and picture decide.
        strength: 0 leaves the picture as it is, 1 restores fully; or such a number for some of `STRENGTH_STAGES`.
        sigma_255: noise level in 8-bit units when the caller knows it; None = estimated.
        denoise_method: by which noise is removed: `network`, or one of `DENOISE_METHODS`, which asks for it.
        translate_method: by which damage is filled: `network` or `dip`.
        normalise: correct colour cast, fading and contrast by classical means first.
        psf: the blur to undo, see `blur_words`: in words, a picture as a data URL, or `estimate`; None = unknown.
        deblur_method: by which it is undone: `network`, without a PSF, or by a PSF `hqs`, `hqs-csf`, `wiener` or
            `richardson-lucy`; `AUTO` is `hqs` with `psf`, else `hqs-csf` where an estimate can be trusted, else
            `network`.
        weather_method: by which weather is taken out: `network`, rain and snow where there are any, `haze-network`,
            haze where there is some, or `dark-channel`, haze; naming one of the latter two asks for it.
        colorize: by which it is given colours: `learned`, or `exemplar` or `transfer` with a reference; None = not.
        hints: points whose colours are known, in words, see `hint_words`; None = none.
        scale: enlargement, one of `SCALES`.
        upscale_method: by which it is enlarged: `network` or `dip`.
        tier: which networks work, one of `TIERS`; or `AUTO`.
        networks: those from elsewhere that work in place of ours, see `network_words`; naming one asks for its stage.
        format: one of `FORMATS`; None = what `Accept` allows: unchanged uploads' own bytes, else JPEG by default.
        quality: 1 to 100, for lossy formats.
        metadata: `keep`, `strip`, or `no-gps`.
        colour: `srgb`, or `source`: the upload's own colours.
        timeout_s: seconds the caller will wait, 1 to 600.

    Raises:
        UnsupportedOption: a value is out of range; all problems are named at once.
    """

    mode: Annotated[str, Word(MODES, explained=_MODES_EXPLAINED)] = AUTO
    stages: Annotated[
        tuple[str, ...] | None, Words(SELECTABLE_STAGES, note="scale enlarges, psf deblurs, colorize colours")
    ] = None
    strength: Annotated[float | Mapping[str, float], NumberByName(STRENGTH_STAGES, Number(0, 1))] = 1.0
    sigma_255: Annotated[float | None, Number(0, 100)] = None
    denoise_method: Annotated[str, Word(methods.DENOISE_METHODS)] = NETWORK
    translate_method: Annotated[str, Word(methods.FITTED_METHODS)] = NETWORK
    normalise: Annotated[bool, Flag()] = False
    psf: Annotated[str | None, BlurText()] = None
    deblur_method: Annotated[str, Word((AUTO, *methods.PSF_METHODS, NETWORK))] = AUTO
    weather_method: Annotated[str, Word(methods.WEATHER_METHODS)] = NETWORK
    colorize: Annotated[str | None, Word(methods.COLOUR_METHODS)] = None
    hints: Annotated[str | None, HintWords()] = None
    scale: Annotated[int, OneWhole(SCALES)] = 1
    upscale_method: Annotated[str, Word(methods.FITTED_METHODS)] = NETWORK
    tier: Annotated[str, Word((AUTO, *TIERS))] = AUTO
    networks: Annotated[str | None, NetworkWords(NETWORK_STAGES)] = None
    format: Annotated[str | None, Word(FORMATS, synonyms={"jpg": "jpeg", "tif": "tiff"})] = None
    quality: Annotated[int, Whole(1, 100)] = DEFAULT_QUALITY
    metadata: Annotated[str, Word(("keep", "strip", "no-gps"))] = "keep"
    colour: Annotated[str, Word(("srgb", "source"))] = "srgb"
    timeout_s: Annotated[float, Number(1, 600)] = 120.0

    def __post_init__(self) -> None:
        if problems := _problems(self.to_mapping()) or self._clashes():
            raise UnsupportedOption("; ".join(problems))

    def _clashes(self) -> list[str]:
        """Return what does not go together in options that are right by themselves."""
        passing = {stage for stage in SELECTABLE_STAGES if self.wants(stage) is False}
        chosen = {stage: getattr(self, f"{stage}_method", NETWORK) for stage in NETWORK_STAGES}
        found = methods.clashes(
            self.denoise_method,
            self.translate_method,
            passing=passing,
            sigma_255=self.sigma_255,
            psf=self.psf,
            undoes_blur_by=self.undoes_blur_by,
        )
        return found + network_words.clashes(self._networks, passing, chosen)

    def wants(self, stage: str) -> bool | None:
        """Return True where a stage must work, False where it must pass, None where the picture decides."""
        if self.stages is not None:
            return stage in self.stages
        return True if self.network_of(stage) else None

    def network_of(self, stage: str) -> str | None:
        """Return the name of the network from elsewhere that is to work in a stage; None for ours."""
        return self._networks.get(stage)

    @property
    def _networks(self) -> Mapping[str, str]:
        return {} if self.networks is None else network_words.parse(self.networks, NETWORK_STAGES) or {}

    def strength_of(self, stage: str) -> float:
        """Return how much of its work a stage is to do, 0 to 1."""
        if isinstance(self.strength, Mapping):
            return self.strength.get(stage, 1.0)
        return self.strength

    @property
    def reads_estimates(self) -> bool:
        """Return whether anything that is done with these options goes by what is measured in the picture."""
        return self.normalise or any(row.reads_estimates and self.may_look(row.name) for row in ROWS)

    def may_work(self, stage: str) -> bool:
        """Return whether a stage works on some pictures with these options."""
        row = STAGE_ROWS[stage]
        return self.may_look(stage) and not (row.has_strength and self.strength_of(stage) == 0)

    def may_look(self, stage: str) -> bool:
        """Return whether a stage looks at some pictures with these options, if only for what it would do."""
        row = STAGE_ROWS[stage]
        if row.options:
            is_named = row.is_selectable and self.wants(stage) is True
            return is_named or any(getattr(self, name) != _DEFAULTS[name] for name in row.options)
        return not row.is_selectable or self.wants(stage) is not False

    @property
    def undoes_blur_by(self) -> str:
        """Return the method of `deblur_method` that works where `deblur` does; `AUTO`: the picture decides."""
        if self.deblur_method != AUTO:
            return self.deblur_method
        return AUTO if self.psf is None else methods.HQS

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], names: Mapping[str, str] = _OWN_NAMES) -> Options:
        """Return options from decoded JSON, or from texts.

        Args:
            names: by option, what the caller calls it where that is not its own name.

        Raises:
            UnsupportedOption: unknown names, or values out of range; all of them are named at once.
        """
        known = {names.get(name, name): name for name in _KINDS} if names else _KNOWN
        read: dict[str, Any] = {
            known[name]: _KINDS[known[name]].read(value) for name, value in values.items() if name in known
        }
        problems: list[str] = []
        if unknown := sorted(map(str, values.keys() - known.keys())):
            problems.append(f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        try:
            options = cls(**read)
        except UnsupportedOption as error:
            problems += _problems(read, names) or [str(error)]
        if problems:
            raise UnsupportedOption("; ".join(problems))
        return options

    @classmethod
    def from_json(cls, text: str) -> Options:
        """Return options from a JSON object, as in the header `X-Restore-Options`.

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
        """Return the options by name, as `from_mapping` takes them."""
        return values_of(self)


_KINDS: dict[str, Kind] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Options, include_extras=True).items()
}
_KNOWN = {name: name for name in _KINDS}
_DEFAULTS = {option.name: option.default for option in fields(Options)}


def _problems(values: Mapping[str, object], names: Mapping[str, str] = _OWN_NAMES) -> list[str]:
    """Return what is wrong with values by option, in the caller's names."""
    problems = [
        f"{names.get(name, name)} is {shortened(value)}; expected {_KINDS[name].expected}"
        for name, value in values.items()
        if not (_KINDS[name].accepts(value) or value is _DEFAULTS[name] is None)
    ]
    if values.get("deblur_method") == NETWORK and values.get("psf") is not None:
        problems.append(f"{names.get('psf', 'psf')} is given, but deblur_method {NETWORK} works without")
    return problems


def describe() -> dict[str, dict[str, Any]]:
    """Return each option as a JSON schema, with its default and what is expected."""
    return {
        name: {**kind.schema(), "default": _DEFAULTS[name], "description": kind.expected}
        for name, kind in _KINDS.items()
    }
