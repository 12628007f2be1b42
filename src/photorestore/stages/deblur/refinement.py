"""Refine an estimated PSF by what the blurred picture becomes with it: alternate half-quadratic splitting and fitting.

Pictures of few edges find a PSF from nothing, but are no photographs; what a denoiser makes of the picture, as in
half-quadratic splitting, is nearer to one, and tells the details of a PSF that is about right.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from photorestore.pixels.optics import Optics, spectrum_of
from photorestore.pixels.threads import one_thread
from photorestore.stages.deblur.estimation import Fit
from photorestore.stages.deblur.methods import FIRST_LEVEL, PRIOR_WEIGHT, Denoise, Step
from photorestore.stages.deblur.psf_fitting import (
    centred,
    cleaned,
    fitted_psf,
    gradients_of,
    steepness_of,
    wrapping,
)

ROUNDS = 6
STEPS = 5
"""Of the denoiser, for each round; 8 made PSFs of training photographs hardly more alike to the true ones."""
FIT = Fit(edges_px=60)


def refined(
    image: Tensor,
    psf: Tensor,
    denoise: Denoise,
    sigma: float,
    step: Step = nullcontext,
    rounds: int = ROUNDS,
) -> Tensor:
    """Return a PSF (K, K) refined.

    Args:
        image: the blurred picture, grey, (H, W) in [0, 1].
        sigma: noise to reckon with, in [0, 1] units.
        step: see `estimate`; not entered for the denoiser.
    """
    side = psf.shape[0]
    for _ in range(rounds):
        sharp = gradients_of(_photograph(image, psf, denoise, sigma, step))
        with step(), one_thread():
            sharp *= sharp.square().sum(0) >= steepness_of(sharp, FIT.edges_px * side)
            psf = centred(cleaned(fitted_psf(sharp, gradients_of(image), side, FIT.psf_weight)))
    return psf


def _photograph(image: Tensor, psf: Tensor, denoise: Denoise, sigma: float, step: Step) -> Tensor:
    """Return what is seen in a blurred picture (H, W), by half-quadratic splitting; its borders may be wrong."""
    with step(), one_thread():
        seen = wrapping(image, psf.shape[0])
        optics = Optics.of(psf, torch.ones_like(seen, dtype=torch.bool)[None, None])
        data = optics.back * spectrum_of(seen)
    sharp = seen
    for share in torch.linspace(0, 1, STEPS):
        with step(), one_thread():
            level = FIRST_LEVEL ** (1 - share) * sigma**share
            weight = PRIOR_WEIGHT * (sigma / level) ** 2
            sharp = optics.picture_of((data + weight * spectrum_of(sharp)) / (optics.power + weight))
        sharp = denoise(sharp.clamp(-0.5, 1.5).expand(1, 3, -1, -1), level[None])[0, 0]
    return sharp[: image.shape[0], : image.shape[1]]
