"""Blur pictures as cameras and scanners do: shake, motion, defocus, softness.

Images are (C, H, W) in [0, 1]. A PSF is (K, K), K odd, its sum 1; see `stages.deblur.psf`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.pixels.psf import draw
from training.randomness import chance, log_uniform, uniform

PATH_POINTS = 400
KEEPS_COURSE = 0.97
"""Share of its speed that a shaken camera keeps from one of the points of its path to the next."""
LINEAR_SHARE = 0.75
"""Share of pictures that are blurred in linear light, as in a camera; the others as a soft print or scan is."""
GAMMA = 2.2

MakePsf = Callable[[torch.Generator], Tensor]


def shake(rng: torch.Generator, *, longest_px: float = 25.0) -> Tensor:
    """Return the path of a shaken camera, 3 to `longest_px` px long: a point that keeps its course but for pushes."""
    pushes = torch.randn((PATH_POINTS, 2), generator=rng)
    speed = torch.zeros_like(pushes)
    speed[0] = 8 * pushes[0]
    for at in range(1, PATH_POINTS):
        speed[at] = KEEPS_COURSE * speed[at - 1] + pushes[at]
    path = speed.cumsum(0)
    extent = float((path.amax(0) - path.amin(0)).max())
    path = path * (log_uniform(3.0, longest_px, rng) / extent)
    return centred(path - path.mean(0))


def motion(rng: torch.Generator) -> Tensor:
    """Return the PSF of an even motion of 3 to 25 px."""
    return _drawn("motion", log_uniform(3, 25, rng), uniform(0, 180, rng))


def defocus(rng: torch.Generator) -> Tensor:
    """Return the PSF of a lens out of focus, radius 1 to 7 px."""
    return _drawn("defocus", log_uniform(1, 7, rng))


def softness(rng: torch.Generator) -> Tensor:
    """Return the PSF of a soft lens, enlarger or scanner, sigma .6 to 2.2 px."""
    return _drawn("gaussian", log_uniform(0.6, 2.2, rng))


BLURS: dict[str, MakePsf] = {"shake": shake, "motion": motion, "defocus": defocus, "softness": softness}


def centred(path: Tensor) -> Tensor:
    """Return the PSF of a path (N, 2) of rows and columns around its mean, each point spread over four pixels."""
    radius = math.ceil(float(path.abs().max())) + 1
    low = path.floor()
    part = path - low
    psf = torch.zeros((2 * radius + 1, 2 * radius + 1))
    for down in (0, 1):
        for right in (0, 1):
            weights = (part[:, 0] - 1 + down).abs() * (part[:, 1] - 1 + right).abs()
            at = (low + radius).long() + torch.tensor([down, right])
            psf.index_put_((at[:, 0], at[:, 1]), weights, accumulate=True)
    return psf / psf.sum()


def blurred(image: Tensor, psf: Tensor, *, is_linear: bool) -> Tensor:
    """Blur a picture where the PSF fits in: (C, H - K + 1, W - K + 1).

    Args:
        is_linear: whether light is averaged, as in a camera, or sRGB values.
    """
    values = image.clamp_min(0) ** GAMMA if is_linear else image
    k, hw = psf.shape[-1], image.shape[-2:]
    spectrum = torch.fft.rfft2(values) * torch.fft.rfft2(psf, hw)
    result = torch.fft.irfft2(spectrum, hw)[:, k - 1 :, k - 1 :]
    return result.clamp_min(0) ** (1 / GAMMA) if is_linear else result


def blur_randomly(
    image: Tensor, margin_px: int, make_psf: MakePsf, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return (blurred, sharp) of a picture without `margin_px` at each border, which the PSF may not exceed.

    Every other PSF of shake, motion or defocus is softened a little, too, as by a lens.
    """
    psf = make_psf(rng)
    if chance(0.5, rng):
        soft = _drawn("gaussian", uniform(0.3, 0.8, rng))
        psf = F.conv2d(psf[None, None], soft[None, None], padding=2 * (soft.shape[-1] // 2))[0, 0]
    psf = _fitted(psf, margin_px)
    is_linear = chance(LINEAR_SHARE, rng)
    cut = margin_px - psf.shape[-1] // 2
    h, w = image.shape[-2:]
    around = image[:, cut : h - cut, cut : w - cut]
    return blurred(around, psf, is_linear=is_linear), image[
        :, margin_px : h - margin_px, margin_px : w - margin_px
    ]


def _fitted(psf: Tensor, margin_px: int) -> Tensor:
    """Cut a PSF to what a margin allows."""
    over = max(0, psf.shape[-1] // 2 - margin_px)
    inner = psf[over : psf.shape[0] - over, over : psf.shape[1] - over]
    return inner / inner.sum()


def _drawn(shape: str, *numbers: float) -> Tensor:
    return draw(Blur(shape, numbers))
