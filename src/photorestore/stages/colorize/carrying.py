"""Carry colours from a small view to a picture of any size, along its lightness, and put them into it.

Around each pixel of the view a and b are a linear function of lightness, see `pixels.guided`; applied to the lightness
of the picture itself it gives colours whose edges are where its own are. That is done in strips, so memory is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from photorestore.pixels.guided import at_places, at_rows, functions_of
from photorestore.pixels.lab import encoded, lab_of, linear_rgb_of, luminance_of

RADIUS_PX = 2
"""Of the squares of the view in which a and b are a linear function of lightness."""
FLAT = 4.0
"""Variance of lightness (of 100) below which it explains no difference of colour: grain has some, too."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours of a whole picture as functions of lightness.

    Attributes:
        functions: (1, 4, V, U): by what a and b grow with lightness, and what they are without any.
    """

    functions: Tensor

    @classmethod
    def of(cls, lightness: Tensor, ab: Tensor) -> Colours:
        """Fit the functions to a view's lightness (1, 1, V, U) and colours (1, 2, V, U)."""
        return cls(functions_of(lightness, ab, RADIUS_PX, FLAT))

    def at(self, lightness: Tensor, top: int, height: int) -> Tensor:
        """Return a and b, (1, 2, h, W), of the rows from `top` of a picture, of whose lightness (1, 1, h, W) is given.

        Args:
            height: of the picture.
        """
        return at_rows(self.functions, lightness, top, height)

    def at_places(self, lightness: Tensor, x: Tensor, y: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Return a and b, (1, 2, ...), of pixels in columns x and rows y, (h, w), of a picture of a size."""
        return at_places(self.functions, lightness, x, y, size_hw)


def coloured(image: Tensor, colours: Colours, top: int, height: int, strength: float) -> Tensor:
    """Return rows of a picture, sRGB (1, 3, h, W) in [0, 1], with new colours and their own lightness.

    Args:
        top, height: where they begin in the picture, and its height.
        strength: 0 keeps the picture's colours, 1 gives it the new ones.
    """
    lab = lab_of(image)
    lightness = lab[:, :1]
    ab = torch.lerp(lab[:, 1:], colours.at(lightness, top, height), strength)
    return into_gamut(torch.cat([lightness, ab], 1))


def into_gamut(lab: Tensor) -> Tensor:
    """Return sRGB in [0, 1] of CIELab (N, 3, H, W): colours that sRGB lacks become paler, until it has them.

    Between a colour and the grey of its luminance, in linear light, all have one lightness; so that stays.
    """
    grey = luminance_of(lab[:, :1]).clamp(0, 1)
    linear = linear_rgb_of(lab)
    above = (1 - grey) / (linear.amax(1, keepdim=True) - grey).clamp_min(1e-6)
    below = grey / (grey - linear.amin(1, keepdim=True)).clamp_min(1e-6)
    share = torch.minimum(above, below).clamp(0, 1)
    return encoded(grey + share * (linear - grey)).clamp(0, 1)
