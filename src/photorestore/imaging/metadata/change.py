"""Describe what became of a picture's pixels, for metadata that refers to them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_GEOGRAPHIC = re.compile(rb"GPS|\bGEO:(?:LAT|LON|[-+0-9])")
"""By name, as a machine tag (geo:lat=48.1), or as an address (geo:48.1,11.5)."""


@dataclass(frozen=True, slots=True)
class Change:
    """From the pixels as they are stored in the upload to those of the result.

    Attributes:
        width, height: of the result.
        source_width, source_height: of the upload, as stored.
        orientation: the EXIF orientation, 1 to 8, that was undone.
        gps: whether the result may tell where the picture was taken.
        is_converted: whether the colours were brought to sRGB from another space.
    """

    width: int
    height: int
    source_width: int
    source_height: int
    orientation: int = 1
    gps: bool = True
    is_converted: bool = False

    @property
    def is_reoriented(self) -> bool:
        """Return whether the picture was rotated or mirrored."""
        return self.orientation != 1

    @property
    def is_as_stored(self) -> bool:
        """Return whether each pixel of the upload is at the same place of the result."""
        return not self.is_reoriented and self.factor == 1

    @property
    def factor(self) -> float:
        """Return how many pixels of the result stand for one of the upload, along a side."""
        upright = self.source_height if self.orientation >= 5 else self.source_width
        return self.width / max(1, upright)

    def area(self, x: float, y: float, w: float = 0.0, h: float = 0.0) -> tuple[float, float, float, float]:
        """Return centre and size, in the result, of an area of the upload; all as shares of the picture's sides."""
        across, down = (1 - x, 1 - y)
        centre = {
            1: (x, y), 2: (across, y), 3: (across, down), 4: (x, down),
            5: (y, x), 6: (down, x), 7: (down, across), 8: (y, across),
        }[self.orientation]  # fmt: skip
        return (*centre, *((h, w) if self.orientation >= 5 else (w, h)))

    def area_px(
        self, x: float, y: float, w: float = 0.0, h: float = 0.0
    ) -> tuple[float, float, float, float]:
        """Return the same as `area`, in pixels."""
        across, down = max(1, self.source_width), max(1, self.source_height)
        moved = self.area(x / across, y / down, w / across, h / down)
        sides = (self.width, self.height) * 2
        return tuple(share * side for share, side in zip(moved, sides, strict=True))  # type: ignore[return-value]


def mentions_gps(content: bytes) -> bool:
    """Return whether a block contains words that tell a place, in UTF-16 as well."""
    return _GEOGRAPHIC.search(content.replace(b"\0", b"").upper()) is not None
