"""Read how a picture was blurred: words (`motion:15,30`, `gaussian:1.6`, `defocus:4`), a picture, or `estimate`.

The blur of a picture is its point spread function (PSF): what a point of light becomes. A picture of it travels as a
data URL. No torch here.
"""

from __future__ import annotations

import base64
import binascii
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

ESTIMATE = "estimate"
"""Stands for a blur that is to be found in the picture itself."""

PICTURE_PATTERN = r"^data:(image/[a-z0-9.+-]+|application/octet-stream);base64,[A-Za-z0-9+/]+={0,2}$"
LONGEST_PICTURE = 64 << 10
"""Most characters of a data URL."""
LARGEST_PSF_PX = 127
"""Most of a PSF's sides."""
_PICTURE = re.compile(PICTURE_PATTERN.removeprefix("^").removesuffix("$"))


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


def as_data_url(content: bytes | bytearray, media_type: str = "application/octet-stream") -> str:
    """Return the bytes of a picture's file as a data URL."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def is_picture(text: str | None) -> bool:
    """Return whether a text that was accepted as a blur holds a picture of it."""
    return text is not None and text.startswith("data:")


def picture_in(text: str) -> bytes | None:
    """Return the bytes of the picture's file that a data URL holds, or None where it is no such URL."""
    if len(text) > LONGEST_PICTURE or _PICTURE.fullmatch(text) is None:
        return None
    try:
        return base64.b64decode(text.partition(",")[2], validate=True)
    except binascii.Error:
        return None


def expected() -> str:
    """Say in words what may be told."""
    shapes = [
        f"{shape}:{','.join(f'{what} ({low:g} to {high:g})' for what, low, high in numbers)}"
        for shape, numbers in SHAPES.items()
    ]
    picture = (
        f"a picture of the blur of at most {LARGEST_PSF_PX}x{LARGEST_PSF_PX} px (a file, or a data URL of at most "
        f"{LONGEST_PICTURE} characters)"
    )
    return " or ".join([*shapes, ESTIMATE, picture])
