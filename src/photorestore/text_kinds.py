"""Say what the values of options may be that are texts with a grammar of their own, see `kinds`."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore import blur_words, hint_words, network_words
from photorestore.kinds import Schema


@dataclass(frozen=True, slots=True)
class BlurText:
    """A blur as a text: words, a picture or `estimate`, see `blur_words`."""

    @property
    def expected(self) -> str:
        return blur_words.expected()

    def read(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.strip().lower() == blur_words.ESTIMATE:
            return blur_words.ESTIMATE
        blur = blur_words.Blur.parse(value)
        return value.strip() if blur is None else str(blur)

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        return (
            value == blur_words.ESTIMATE
            or blur_words.Blur.parse(value) is not None
            or blur_words.picture_in(value) is not None
        )

    def schema(self) -> Schema:
        words = (blur_words.PATTERN, f"^{blur_words.ESTIMATE}$", blur_words.PICTURE_PATTERN)
        return {"type": "string", "pattern": "|".join(words), "maxLength": blur_words.LONGEST_PICTURE}


@dataclass(frozen=True, slots=True)
class HintWords:
    """Points with their colours in words, see `hint_words`."""

    @property
    def expected(self) -> str:
        return hint_words.EXPECTED

    def read(self, value: object) -> object:
        hints = hint_words.parse(value) if isinstance(value, str) else None
        return value if hints is None else hint_words.written(hints)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and hint_words.parse(value) is not None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": hint_words.PATTERN}


@dataclass(frozen=True, slots=True)
class NetworkWords:
    """Networks from elsewhere by stage, in words, see `network_words`.

    Attributes:
        stages: those that may have one.
    """

    stages: tuple[str, ...]

    @property
    def expected(self) -> str:
        return (
            "networks that were imported, as STAGE:NAME, separated by commas, for some of "
            f"{', '.join(self.stages)}; a name has up to {network_words.LONGEST} of a-z, 0-9 and -"
        )

    def read(self, value: object) -> object:
        names = network_words.parse(value, self.stages) if isinstance(value, str) else None
        return value if names is None else network_words.written(names)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and network_words.parse(value, self.stages) is not None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": network_words.pattern(self.stages)}
