"""Name a part of maps."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from photorestore.pixels.boxes import with_halo


class Box(NamedTuple):
    """A part of maps (..., H, W): rows from `top` to before `bottom`, columns from `left` to before `right`."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, image: Tensor) -> Tensor:
        """Return this part of maps, the same memory."""
        return image[..., self.top : self.bottom, self.left : self.right]

    def grown(self, by_px: int, multiple: int, image: Tensor) -> Box:
        """Return it with `by_px` around it, or somewhat more, as far as the maps reach.

        Args:
            multiple: of which edges are multiples, as the edges of the box and the sides of the maps are.
        """
        around = -(-by_px // multiple) * multiple
        return Box(*with_halo(self, around, image.shape[-2:]))

    def within(self, other: Box) -> Box:
        """Return this part as one of maps that are the part `other` of the same."""
        return Box(
            self.top - other.top,
            self.bottom - other.top,
            self.left - other.left,
            self.right - other.left,
        )

    @classmethod
    def all_of(cls, image: Tensor) -> Box:
        """Return all of maps."""
        h, w = image.shape[-2:]
        return cls(0, h, 0, w)
