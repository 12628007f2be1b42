"""Degrade photographs by blur, resizing, noise and JPEG, twice (Wang et al., Real-ESRGAN, 2021).

The ranges are the paper's. Kernels are up to 21 px wide; the second pass blurs less often and less; a sinc filter
(ringing, overshoot) may end it. Images are (3, H, W) in [0, 1]; everything is drawn from `rng`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.degradations.noise import gaussian, jpeg, poisson, quantise
from training.randomness import chance, randint, uniform

KINDS = ("gaussian", "generalised", "plateau")
SIZES_PX = (7, 21)
"""Smallest and largest kernel."""
FINEST_LEVELS = 256
"""Levels of an 8-bit picture: what Poisson noise of scale 1 counts up to at white."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Ranges of one pass.

    Attributes:
        blur: probability of any blur.
        blur_sigma_px: standard deviation along each axis of a kernel.
        enlarge, shrink: probabilities of resizing either way; otherwise the size stays.
        factors: least and greatest factor of resizing.
        sigma_255: standard deviation of Gaussian noise in 8-bit units.
        poisson_scale: Poisson noise of an 8-bit picture, times this.
    """

    blur: float
    blur_sigma_px: tuple[float, float]
    enlarge: float
    shrink: float
    factors: tuple[float, float]
    sigma_255: tuple[float, float]
    poisson_scale: tuple[float, float]
    sinc: float = 0.1
    grey_noise: float = 0.4
    quality: tuple[int, int] = (30, 96)


FIRST = Pass(1.0, (0.2, 3.0), 0.2, 0.7, (0.15, 1.5), (1.0, 30.0), (0.05, 3.0))
SECOND = Pass(0.8, (0.2, 1.5), 0.3, 0.4, (0.3, 1.2), (1.0, 25.0), (0.05, 2.5))
FINAL_SINC = 0.8


def degrade(hr: Tensor, scale: int, rng: torch.Generator) -> Tensor:
    """Wear a picture and make it `scale` times smaller: (3, H / scale, W / scale), 8-bit values.

    Args:
        hr: (3, H, W); the sides are multiples of `scale`.
    """
    h, w = hr.shape[-2:]
    target = h // scale, w // scale
    image = _blur(hr, FIRST, rng)
    image = _resize(image, _factor(FIRST, rng), (h, w), rng)
    image = _noise(image, FIRST, rng)
    image = jpeg(image, randint(*FIRST.quality, rng), subsample=chance(0.5, rng))
    image = _blur(image, SECOND, rng)
    image = _resize(image, _factor(SECOND, rng) / scale, (h, w), rng)
    image = _noise(image, SECOND, rng)
    return _finish(image, target, rng)


def _finish(image: Tensor, hw: tuple[int, int], rng: torch.Generator) -> Tensor:
    """Resize and sharpen, before or after the last JPEG compression."""
    quality, subsample, sharpens_last = randint(*SECOND.quality, rng), chance(0.5, rng), chance(0.5, rng)
    if sharpens_last:
        return quantise(_sharpen(_resize_to(jpeg(image, quality, subsample=subsample), hw, rng), rng))
    return jpeg(_sharpen(_resize_to(image, hw, rng), rng), quality, subsample=subsample)


def _blur(image: Tensor, ranges: Pass, rng: torch.Generator) -> Tensor:
    if not chance(ranges.blur, rng):
        return image
    return convolve(image, draw_kernel(ranges, rng))


def draw_kernel(ranges: Pass, rng: torch.Generator) -> Tensor:
    """Draw a blur kernel: sinc, or a bell of some kind, round or stretched."""
    size = _odd_size(rng)
    if chance(ranges.sinc, rng):
        return sinc_kernel(size, uniform(math.pi / 3 if size < 13 else math.pi / 5, math.pi, rng))
    draw = uniform(0, 1, rng)  # .45 and .25 Gaussian; .12 + .03 generalised; .12 + .03 plateau
    kind = KINDS[0] if draw < 0.7 else KINDS[1] if draw < 0.85 else KINDS[2]
    is_round = draw < 0.45 or (draw >= 0.7 and chance(0.8, rng))
    sigma_px = uniform(*ranges.blur_sigma_px, rng)
    other_px = sigma_px if is_round else uniform(*ranges.blur_sigma_px, rng)
    shape = {"gaussian": 1.0, "generalised": uniform(0.5, 4, rng), "plateau": uniform(1, 2, rng)}[kind]
    return bell_kernel(size, (sigma_px, other_px), uniform(-math.pi, math.pi, rng), kind, shape)


def bell_kernel(
    size: int, sigmas_px: tuple[float, float], angle: float, kind: str = "gaussian", shape: float = 1.0
) -> Tensor:
    """Return a kernel that falls off along two axes: (size, size), sum 1.

    Args:
        sigmas_px: standard deviations along the axes, the first of which is turned by `angle` from the x axis.
        kind: "gaussian" exp(-d / 2), "generalised" exp(-d^shape / 2), "plateau" 1 / (1 + d^shape), of the squared
            distance d in units of sigma.
    """
    place = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    along = (math.cos(angle) * x + math.sin(angle) * y) / sigmas_px[0]
    across = (math.cos(angle) * y - math.sin(angle) * x) / sigmas_px[1]
    distance = along**2 + across**2
    kernel = 1 / (1 + distance**shape) if kind == "plateau" else torch.exp(-0.5 * distance**shape)
    return (kernel / kernel.sum()).float()


def sinc_kernel(size: int, cutoff: float) -> Tensor:
    """Return the circular low-pass filter of a cut-off (radians per pixel): (size, size), sum 1."""
    place = torch.arange(size, dtype=torch.float64) - size // 2
    radius = torch.hypot(*torch.meshgrid(place, place, indexing="ij"))
    kernel = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius.clamp_min(1e-12))
    kernel[size // 2, size // 2] = cutoff**2 / (4 * math.pi)
    return (kernel / kernel.sum()).float()


def convolve(image: Tensor, kernel: Tensor) -> Tensor:
    """Filter every channel, the picture mirrored (its border repeated where it is too small for that)."""
    radius = kernel.shape[0] // 2
    mode = "reflect" if min(image.shape[-2:]) > radius else "replicate"
    padded = F.pad(image[:, None], (radius,) * 4, mode=mode)  # (C, 1, H + 2 radius, W + 2 radius)
    return F.conv2d(padded, kernel[None, None])[:, 0]


def _odd_size(rng: torch.Generator) -> int:
    low, high = SIZES_PX
    return 2 * randint(low // 2, high // 2 + 1, rng) + 1


def _factor(ranges: Pass, rng: torch.Generator) -> float:
    draw = uniform(0, 1, rng)
    if draw < ranges.enlarge:
        return uniform(1, ranges.factors[1], rng)
    return uniform(ranges.factors[0], 1, rng) if draw < ranges.enlarge + ranges.shrink else 1.0


def _resize(image: Tensor, factor: float, hw: tuple[int, int], rng: torch.Generator) -> Tensor:
    """Resize to `factor` times the size `hw`."""
    h, w = (max(1, round(factor * side)) for side in hw)
    return _resize_to(image, (h, w), rng)


def _resize_to(image: Tensor, hw: tuple[int, int], rng: torch.Generator) -> Tensor:
    """Resize by area, bilinear or bicubic; the latter two without antialiasing, as careless programs do it."""
    mode = ("area", "bilinear", "bicubic")[randint(0, 3, rng)]
    if mode == "area":
        return F.interpolate(image[None], hw, mode=mode)[0]
    return F.interpolate(image[None], hw, mode=mode, align_corners=False)[0]


def _noise(image: Tensor, ranges: Pass, rng: torch.Generator) -> Tensor:
    """Add Gaussian or Poisson noise, by channel or grey."""
    is_grey = chance(ranges.grey_noise, rng)
    image = image.clamp(0, 1)
    base = image.mean(0, keepdim=True) if is_grey else image
    if chance(0.5, rng):
        noisy = gaussian(base, uniform(*ranges.sigma_255, rng) / 255, rng)
    else:
        noisy = poisson(base, FINEST_LEVELS / uniform(*ranges.poisson_scale, rng) ** 2, rng)
    return (image + (noisy - base)).clamp(0, 1)


def _sharpen(image: Tensor, rng: torch.Generator) -> Tensor:
    """Apply the final sinc filter, in most pictures."""
    if not chance(FINAL_SINC, rng):
        return image
    return convolve(image, sinc_kernel(_odd_size(rng), uniform(math.pi / 3, math.pi, rng)))
