"""Go from sRGB values to light, which a camera's blur averages, and back."""

from __future__ import annotations

from torch import Tensor

from photorestore.stages.deblur.methods import Denoise

GAMMA = 2.2


def light_of(values: Tensor) -> Tensor:
    """Return the light, 0 to 1, of sRGB values in [0, 1]; what is below 0 counts as 0."""
    return values.clamp_min(0) ** GAMMA


def values_of(light: Tensor) -> Tensor:
    """Return the sRGB values, 0 to 1, of light in [0, 1]; what is below 0 counts as 0."""
    return light.clamp_min(0) ** (1 / GAMMA)


def matching(denoise: Denoise, *, of_light: bool) -> Denoise:
    """Return a denoiser of sRGB values as it is, or as one of light.

    It is told levels as of sRGB values still: the noise in light, and what is to be removed at each step, both are
    those times the slope of the curve, so that their ratio, which weighs the prior, stays.
    """

    def denoised(light: Tensor, sigma: Tensor) -> Tensor:
        return light_of(denoise(values_of(light), sigma))

    return denoised if of_light else denoise
