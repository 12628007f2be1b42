"""Noise together with its level, as the denoiser is told it.

The level is the standard deviation in [0, 1] units: that of the noise where it is drawn with one, a rough measurement
of it where it is not plain, and what a JPEG's table stands for where that is all that is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from photorestore.stages.preprocess.compression import artefacts_of
from training.degradations.noise import (
    film_grain,
    gaussian,
    impulses,
    jpeg_with_table,
    poisson,
    poisson_gaussian,
    poisson_sigma,
    quantise,
    speckle,
)
from training.degradations.surfaces import surface
from training.randomness import chance, randint, uniform

ROUGHLY = 0.25
"""Where noise is not plain, the level told is off by about this share, as estimates are."""

Noisy = tuple[Tensor, Tensor]
"""Noisy image (3, H, W), and its noise level in [0, 1] units: () or, where it differs over the picture, (1, H, W)."""
Noise = Callable[[Tensor, torch.Generator], Noisy]
"""Adds noise of one strength to an image."""


def gaussian_noise(strength: float, max_sigma_255: float) -> Noise:
    """Return white noise, up to the configured standard deviation."""
    sigma = strength * max_sigma_255 / 255
    return lambda gt, rng: (gaussian(gt, sigma, rng), torch.tensor(sigma))


def poisson_noise(strength: float, max_sigma_255: float) -> Noise:  # noqa: ARG001
    """Return the noise of counted photons, peaks from 8 down to 1; its level is estimated from the noisy image."""
    peak = 8.0 ** (1 - strength)

    def noise(gt: Tensor, rng: torch.Generator) -> Noisy:
        lq = poisson(gt, peak, rng)
        return lq, poisson_sigma(lq, peak)

    return noise


def impulse_noise(strength: float, max_sigma_255: float) -> Noise:  # noqa: ARG001
    """Replace up to half of the pixels by random colours: the clean image is their mode, not their mean."""
    return lambda gt, rng: (impulses(gt, strength / 2, rng), torch.tensor(-1.0))


NOISES: dict[str, Callable[[float, float], Noise]] = {
    "gaussian": gaussian_noise,
    "poisson": poisson_noise,
    "impulse": impulse_noise,
}
"""Noise of a strength between 0 and 1."""


def mixed_noise(gt: Tensor, sigma: float, rng: torch.Generator) -> Noisy:
    """Add noise of any kind, or JPEG artefacts alone; `sigma` ([0, 1] units) is that of Gaussian noise."""
    if chance(0.45, rng):
        return gaussian(gt, sigma, rng), torch.tensor(sigma)
    if chance(0.5, rng):
        return store_as_jpeg(gt, torch.tensor(0.0), rng)
    kind = randint(0, 4, rng)
    if kind == 0:
        lq = gaussian(gt, sigma, rng)
    elif kind == 1:
        lq = poisson_gaussian(gt, uniform(0, 0.05, rng), uniform(0, 0.12, rng), rng)
    elif kind == 2:
        lq = film_grain(gt, uniform(0, 0.16, rng), uniform(0.4, 1.2, rng), rng)
    else:
        lq = speckle(gt, uniform(0, 0.25, rng), rng)
    lq = quantise(lq)
    sigma_found = rough_level(lq, gt, rng)
    return store_as_jpeg(lq, sigma_found, rng) if chance(0.4, rng) else (lq, sigma_found)


def on_surface(gt: Tensor, papers: Sequence[Tensor], rng: torch.Generator) -> Noisy:
    """Put grain or a structured surface on an image (3 or 1 channels), at times with fine noise or as a JPEG.

    Args:
        papers: photographs of paper, uint8 (3, H, W).
    """
    lq = surface(gt, papers, rng)
    if chance(0.3, rng):
        lq = gaussian(lq, uniform(0, 8, rng) / 255, rng)
    lq = quantise(lq)
    sigma_found = rough_level(lq, gt, rng)
    return store_as_jpeg(lq, sigma_found, rng) if chance(0.3, rng) else (lq, sigma_found)


def store_as_jpeg(image: Tensor, sigma: Tensor, rng: torch.Generator) -> Noisy:
    """Store an image (3 or 1 channels) with noise of level `sigma` as a JPEG, often a coarse one.

    The level of its artefacts is what `compression.artefacts_of` says of its table, as when the network is used.
    """
    quality = round(uniform(math.sqrt(7), math.sqrt(96), rng) ** 2)
    lq, table = jpeg_with_table(image.expand(3, -1, -1), quality, subsample=chance(0.5, rng))
    artefacts = artefacts_of(table, is_grey=len(image) == 1) / 255
    return lq, torch.hypot(sigma, torch.tensor(artefacts))


def rough_level(lq: Tensor, gt: Tensor, rng: torch.Generator) -> Tensor:
    """Return the standard deviation of the difference, (), off by a random factor."""
    return (lq - gt).std() * torch.exp(ROUGHLY * torch.randn((), generator=rng))
