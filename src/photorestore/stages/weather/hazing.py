"""The model of haze: `light = scene * share + air * (1 - share)`, and its inverse.

Koschmieder (1924); as in Narasimhan and Nayar, *Vision and the Atmosphere* (IJCV 2002). Light adds up, so it is
reckoned in linear sRGB, whose black is the scene's. Encoded values, which most published methods use, are not light.
"""

from __future__ import annotations

from torch import Tensor

from photorestore.pixels.lab import encoded, linear_of


def hazy(scene: Tensor, share: Tensor, air: Tensor) -> Tensor:
    """Return what is seen of a scene through haze, sRGB in [0, 1].

    Args:
        scene: sRGB (N, 3, H, W) in [0, 1].
        share: of its light that comes through, (N, 1, H, W).
        air: the light of the air, linear sRGB (N, 3, 1, 1).
    """
    return encoded(linear_of(scene) * share + air * (1 - share))


def clear(image: Tensor, share: Tensor, air: Tensor) -> Tensor:
    """Return the scene behind haze, sRGB, outside [0, 1] where the model does not hold; arguments as of `hazy`."""
    return encoded((linear_of(image) - air) / share + air)
