"""Draw point spread functions: what a point of light became when the picture was taken."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.blur_words import Blur

OVERSAMPLED = 8
"""Points drawn along each side of a pixel, so that a shape that ends within a pixel fills a part of it."""


def draw(blur: Blur) -> Tensor:
    """Return the PSF of a blur: (K, K), K odd, float32, not negative, its sum 1, centred."""
    if blur.shape == "motion":
        length_px, degrees = blur.numbers
        radius = math.ceil(length_px / 2)
        x, y = _grid(radius)
        angle = math.radians(degrees)
        along = x * math.cos(angle) - y * math.sin(angle)
        across = x * math.sin(angle) + y * math.cos(angle)
        return _pixels((along.abs() <= length_px / 2) & (across.abs() <= 0.5))
    if blur.shape == "defocus":
        (radius_px,) = blur.numbers
        radius = math.ceil(radius_px)
        x, y = _grid(radius)
        return _pixels(x.square() + y.square() <= radius_px**2)
    (sigma_px,) = blur.numbers
    radius = math.ceil(4 * sigma_px)
    at = torch.arange(-radius, radius + 1) / sigma_px
    profile = (-at.square() / 2).exp()  # at the pixels' centres, as is usual
    psf = profile[:, None] * profile
    return psf / psf.sum()


def _grid(radius: int) -> tuple[Tensor, Tensor]:
    """Coordinates of the oversampled points of (2 radius + 1)^2 pixels, in px from the centre; y grows downwards."""
    count = (2 * radius + 1) * OVERSAMPLED
    at = (torch.arange(count) + 0.5) / OVERSAMPLED - (2 * radius + 1) / 2
    return at[None].expand(count, count), at[:, None].expand(count, count)


def _pixels(points: Tensor) -> Tensor:
    """Average the points of each pixel, and scale the sum to 1."""
    pixels = F.avg_pool2d(points.float()[None], OVERSAMPLED)[0]
    return pixels / pixels.sum()
