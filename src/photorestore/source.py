"""Define what is kept of an upload's header. No torch here: the REST edge imports this module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """What `preprocess` read of an upload.

    Attributes:
        format: one of `sniff.ACCEPTED`, or `array`.
        mode: the decoder's name for the kind of pixels.
        bits: 8 or 16 per channel.
        width, height: of the upright picture.
        orientation: EXIF orientation, 1 to 8; 5 and above exchange the sides.
        has_alpha: whether it has an alpha channel.
        is_grey: whether it has one channel of colour.
        icc: name of the profile that was converted from, or None.
        dropped: what of it cannot be kept.
    """

    format: str
    mode: str
    bits: int
    width: int
    height: int
    orientation: int
    has_alpha: bool
    is_grey: bool
    icc: str | None
    dropped: tuple[str, ...]

    @classmethod
    def of_array(
        cls, width: int, height: int, bits: int, *, has_alpha: bool = False, is_grey: bool = False
    ) -> Source:
        """Return the source of a picture that came as an array: upright and in sRGB."""
        mode = ("L" if is_grey else "RGB") + ("A" if has_alpha else "")
        return cls("array", mode, bits, width, height, 1, has_alpha, is_grey, icc=None, dropped=())
