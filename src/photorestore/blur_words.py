"""Read how a picture was blurred from words: `motion:15,30`, `gaussian:1.6`, `defocus:4`. No torch here.

The blur of a picture is its point spread function (PSF): what a point of light becomes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_WORDS = re.compile(rf"([a-z]+)\s*:\s*({_NUMBER})(?:\s*,\s*({_NUMBER}))?", re.IGNORECASE | re.ASCII)

SHAPES: dict[str, tuple[tuple[str, float, float], ...]] = {
    "motion": (("length in px", 2, 64), ("angle in degrees", -360, 360)),
    "gaussian": (("sigma in px", 0.3, 10),),
    "defocus": (("radius in px", 0.5, 24),),
}
"""By shape, its numbers: what each is, its least and its greatest value."""

_PART = r"(\.[0-9]{1,3})?"
PATTERN = (
    rf"^(motion:(([2-9]|[1-5][0-9]|6[0-3]){_PART}|64),[+-]?(([12]?[0-9]?[0-9]|3[0-5][0-9]){_PART}|360)"
    rf"|gaussian:(0\.[3-9][0-9]{{0,2}}|[1-9]{_PART}|10)"
    rf"|defocus:(0\.[5-9][0-9]{{0,2}}|([1-9]|1[0-9]|2[0-3]){_PART}|24))$"
)
"""What the words look like, within their ranges, as a regular expression for JSON schemas."""


@dataclass(frozen=True, slots=True)
class Blur:
    """A blur in words.

    Attributes:
        shape: one of `SHAPES`: motion along a line, a Gaussian, or a disc out of focus.
        numbers: those of the shape, in its order, to a thousandth; angles from the x axis towards the top of the
            picture.
    """

    shape: str
    numbers: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Blur | None:
        """Return the blur that words tell, or None where they tell none or a number is out of range."""
        found = _WORDS.fullmatch(text.strip())
        if found is None or (shape := found[1].lower()) not in SHAPES:
            return None
        numbers = tuple(round(float(number), 3) + 0.0 for number in found.groups()[1:] if number)  # no -0
        ranges = SHAPES[shape]
        if len(numbers) != len(ranges):
            return None
        is_in_range = all(low <= n <= high for n, (_, low, high) in zip(numbers, ranges, strict=True))
        return cls(shape, numbers) if is_in_range else None

    def __str__(self) -> str:
        return f"{self.shape}:{','.join(f'{number:g}' for number in self.numbers)}"


def expected() -> str:
    """Say in words what may be told."""
    shapes = [
        f"{shape}:{','.join(f'{what} ({low:g} to {high:g})' for what, low, high in numbers)}"
        for shape, numbers in SHAPES.items()
    ]
    return " or ".join(shapes)
