"""Read colours that a caller knows from words: `120,80,#aa3311;40,200,#336699`. No torch here.

Each hint is a point of the upright picture, column and row in pixels from its top left corner, and the colour there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HINT = r"[0-9]{1,5},[0-9]{1,5},#?[0-9a-fA-F]{6}"
_WORDS = re.compile(r"([0-9]{1,5})\s*,\s*([0-9]{1,5})\s*,\s*#?([0-9a-f]{6})", re.IGNORECASE | re.ASCII)
MOST = 200
"""Hints of one picture."""
PATTERN = rf"^{_HINT}(;{_HINT}){{0,{MOST - 1}}}$"
"""What the words look like, as a regular expression for JSON schemas."""
EXPECTED = f"points with their colours as x,y,#rrggbb, separated by semicolons, {MOST} at most"


@dataclass(frozen=True, slots=True)
class Hint:
    """The colour of a point: column and row in pixels from 0, and red, green and blue from 0 to 255."""

    x: int
    y: int
    rgb: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.x},{self.y},#{bytes(self.rgb).hex()}"


def parse(text: str) -> tuple[Hint, ...] | None:
    """Return the hints that words tell, or None where they tell none or too many."""
    parts = [part for part in text.split(";") if part.strip()]
    found = [_WORDS.fullmatch(part.strip()) for part in parts]
    if not 0 < len(found) <= MOST:
        return None
    hints = []
    for match in found:
        if match is None:
            return None
        red, green, blue = bytes.fromhex(match[3])
        hints.append(Hint(int(match[1]), int(match[2]), (red, green, blue)))
    return tuple(hints)


def written(hints: tuple[Hint, ...]) -> str:
    """Return hints in words."""
    return ";".join(map(str, hints))
