"""Estimate the point spread function of a blurred picture from its strong edges, from coarse to fine.

Alternates, at each size, between a picture of few, strong edges that explains the blurred one (Xu, Zheng, Jia,
*Unnatural L0 sparse representation*, CVPR 2013; Pan et al., *Deblurring text images via L0-regularized intensity and
gradient prior*, CVPR 2014) and the PSF that leads from the strongest of its gradients to the blurred ones (Cho, Lee,
*Fast motion deblurring*, SIGGRAPH Asia 2009).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.optics import Optics, spectrum_of
from photorestore.pixels.threads import one_thread
from photorestore.stages.deblur.methods import Step
from photorestore.stages.deblur.psf_fitting import (
    centred,
    cleaned,
    fitted_psf,
    gradients_of,
    steepness_of,
    wrapping,
)

LARGEST_PX = 35
"""Side of the PSF that is looked for: room for motion of 25 px."""
SMALLEST_PX = 5
SHRINKAGE = 0.5**0.5
"""From one size to the next."""
ROUNDS, LAST_ROUNDS = 5, 12
"""Alternations at each size, and at the last, where the PSF's details settle."""
EDGE_WEIGHT, WEIGHT_DECAY, LEAST_EDGE_WEIGHT = 4e-3, 1.1, 2e-3
"""Weight of the number of edges against the data, by which it falls in each round, and its least value: published is
1e-4, with which PSFs of training photographs became less like the true ones (.94 in place of .96)."""
STEEPEST = 1e5
"""Weight at which an auxiliary gradient must equal the picture's."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a PSF is fitted to edges.

    Attributes:
        edges_px: gradients that are taken in each of four directions, for each pixel of the PSF's side; more later.
        psf_weight: of a faint and smooth PSF against the data.
    """

    edges_px: int = 20
    psf_weight: float = 8.0


USUAL = Fit()


def estimate(
    image: Tensor, step: Step = nullcontext, largest_px: int = LARGEST_PX, *, fit: Fit = USUAL
) -> Tensor:
    """Return the PSF (K, K), K odd and at most `largest_px`, not negative, its sum 1, its centre of gravity centred.

    Args:
        image: the blurred picture, grey, (H, W) in [0, 1], its sides at least `largest_px`.
        step: makes what is entered for each step of computing; it may raise to stop.
    """
    sides = _sides(largest_px)
    weight = EDGE_WEIGHT
    psf = torch.zeros(sides[0], sides[0], device=image.device)
    psf[sides[0] // 2, sides[0] // 2 - 1 : sides[0] // 2 + 1] = 0.5
    for number, side in enumerate(sides):
        share = SHRINKAGE ** (len(sides) - 1 - number)
        blurred = _resized(image, tuple(max(side, round(share * length)) for length in image.shape))
        psf, threshold = centred(cleaned(_resized(psf, (side, side)))), None
        for _ in range(LAST_ROUNDS if side == sides[-1] else ROUNDS):
            with step(), one_thread():
                sharp = gradients_of(edges_that_explain(blurred, psf, weight))
                threshold = steepness_of(sharp, fit.edges_px * side) if threshold is None else threshold
                sharp *= sharp.square().sum(0) >= threshold
                psf = cleaned(fitted_psf(sharp, gradients_of(blurred), side, fit.psf_weight))
            weight = max(weight / WEIGHT_DECAY, LEAST_EDGE_WEIGHT)
            threshold /= WEIGHT_DECAY**2
    return centred(psf)


def edges_that_explain(blurred: Tensor, psf: Tensor, weight: float) -> Tensor:
    """Return the picture of few edges, (H, W), that explains the blurred one.

    Minimises `|psf * x - blurred|^2 + weight |gradients of x|_0` by half-quadratic splitting.
    """
    seen = wrapping(blurred, psf.shape[0])
    optics = Optics.of(psf, torch.ones_like(seen, dtype=torch.bool)[None, None])
    h, w = seen.shape
    rows = 2 - 2 * (2 * torch.pi * torch.fft.fftfreq(h, device=seen.device)).cos()
    columns = 2 - 2 * (2 * torch.pi * torch.fft.rfftfreq(w, device=seen.device)).cos()
    steepness = rows[:, None] + columns  # power of the gradients
    data = optics.back * spectrum_of(seen)
    x, beta = seen, 2 * weight
    while beta < STEEPEST:
        down, right = x.roll(-1, 0) - x, x.roll(-1, 1) - x
        is_flat = down.square() + right.square() < weight / beta
        down, right = down.masked_fill_(is_flat, 0), right.masked_fill_(is_flat, 0)
        divergence = (down.roll(1, 0) - down) + (right.roll(1, 1) - right)
        spectrum = (data + beta * spectrum_of(divergence)) / (optics.power + beta * steepness)
        x = optics.picture_of(spectrum)
        beta *= 2
    return x[: blurred.shape[0], : blurred.shape[1]]


def _sides(largest_px: int) -> list[int]:
    """Sides of the PSF from coarse to fine, odd."""
    sides = [largest_px | 1]
    while (side := round(sides[-1] * SHRINKAGE) // 2 * 2 + 1) >= SMALLEST_PX and side < sides[-1]:
        sides.append(side)
    return sides[::-1]


def _resized(image: Tensor, size_hw: tuple[int, ...]) -> Tensor:
    if image.shape == size_hw:
        return image
    return F.interpolate(image[None, None], size_hw, mode="bilinear", antialias=True)[0, 0]
