"""Tell whether light was blurred, as in a camera, or sRGB values: which of the two explains a picture better."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.optics import Optics, mirrored
from photorestore.pixels.threads import one_thread
from photorestore.stages.deblur.deconvolution import Deconvolution
from photorestore.stages.deblur.light import light_of, matching, values_of
from photorestore.stages.deblur.methods import Denoise, Step, quick_splitting

HALFWAY = 1.5
"""Power of sRGB values in which both explanations are compared, between 1 for these and `GAMMA` for light: what a PSF
that is not quite right leaves unexplained lies in the dark if light was undone, in highlights if values were. Of 31
training photographs in which the two differed by less than 30 % four were told wrongly, by values nine."""
MEAN_PX = 3
"""Sides of the squares whose means are compared: noise, which no PSF explains, counts less then."""


def misfit(
    image: Tensor, psf: Tensor, denoise: Denoise, sigma: float, step: Step, *, of_light: bool
) -> float:
    """Return what a blur leaves unexplained of a picture: root mean square, from 0 on, of sRGB values to `HALFWAY`.

    The picture is sharpened by the PSF, and blurred again.

    Args:
        image: (3, H, W) in [0, 1].
        psf: (K, K).
        denoise, sigma, step: see `refined`.
        of_light: whether light is blurred, or sRGB values.
    """
    splitting = quick_splitting(matching(denoise, of_light=of_light), step)
    sound = torch.zeros_like(image[:1])[None]
    sharp = Deconvolution(psf, splitting, of_light=of_light)(image[None], sound, torch.tensor([sigma]))
    margin = psf.shape[-1] // 2
    with step(), one_thread():
        seen = mirrored(sharp.clamp(0, 1), margin)
        optics = Optics.of(psf, torch.ones_like(seen[:, :1], dtype=torch.bool))
        again = values_of(optics.blur(light_of(seen))) if of_light else optics.blur(seen).clamp_min(0)
        left = F.pad(again, (-margin,) * 4) ** HALFWAY - image**HALFWAY
        return float(F.avg_pool2d(F.pad(left, (-margin,) * 4), MEAN_PX, 1).square().mean().sqrt())
