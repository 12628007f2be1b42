"""Lift the haze from a picture of any size by what one view of it shows, in strips that equal the whole."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from photorestore.pixels.grey import for_grey
from photorestore.pixels.guided import at_rows, functions_of
from photorestore.pixels.tensors import luma
from photorestore.stages.blend import Blend
from photorestore.stages.weather.dark_channel import LEAST_SHARE
from photorestore.stages.weather.hazing import clear

RADIUS_PX, FLAT = 40, 1e-3
"""Of the squares of the view in which the share of light is a linear function of luma, and the variance of luma below
which it explains no difference in haze; the latter as published."""


@dataclass(frozen=True, slots=True)
class Veil:
    """The haze of a whole picture.

    Attributes:
        functions: (1, 2, V, U): by what the share of the light that comes through grows with luma, and what it is
            without any.
        air: the light of the air, linear sRGB (1, 3, 1, 1).
        taken: share of the light, 0 to 1, that the haze takes, on average.
    """

    functions: Tensor
    air: Tensor
    taken: float

    @classmethod
    def of(cls, view: Tensor, share: Tensor, air: Tensor, radius_px: int = RADIUS_PX) -> Veil:
        """Fit the functions to a view (1, 3, V, U) and the share (1, 1, V, U) seen there."""
        return cls(functions_of(luma(view), share, radius_px, FLAT), air, round(1 - float(share.mean()), 3))

    def lifted(self, image: Tensor, top: int, height: int, how: Blend) -> Tensor:
        """Return rows of a picture, sRGB (1, 3, h, W), without the haze, in [0, 1].

        Args:
            top, height: where they begin in the picture, and its height.
        """
        share = at_rows(self.functions, luma(image), top, height).clamp(LEAST_SHARE, 1)
        scene = clear(image, share, self.air).clamp(0, 1)
        scene = for_grey(scene, image, torch.tensor([how.is_grey]))
        return torch.lerp(image, scene, how.strength)
