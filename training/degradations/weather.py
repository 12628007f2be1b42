"""Let it rain, snow or be hazy in a photograph. Images are (3, H, W) in [0, 1]; all is drawn from `rng`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.blur_words import Blur
from photorestore.pixels.guided import guided
from photorestore.pixels.psf import draw
from photorestore.pixels.tensors import luma
from photorestore.stages.weather.hazing import hazy
from training.degradations.fields import smooth_noise
from training.degradations.kernels import blur_mirrored
from training.randomness import chance, log_uniform, randint, uniform

SOFT_PX, GUIDE_PX, FLAT = 3.0, 6, 1e-3
"""Of made depth: how far it is smoothed, and the guided filter that puts its edges where the picture's are."""


def rain(image: Tensor, rng: torch.Generator) -> Tensor:
    """Draw one to three layers of streaks of like direction, each of a length, width and strength of its own."""
    angle, light = uniform(60, 120, rng), uniform(0.7, 1, rng)
    for _ in range(randint(1, 4, rng)):
        length = log_uniform(6, 38, rng)
        streak = draw(Blur("motion", (length, angle + uniform(-4, 4, rng))))
        share = log_uniform(0.002, 0.02, rng)
        drops = _drops(image.shape[-2:], share, rng)
        if chance(0.6, rng):
            drops = blur_mirrored(drops, uniform(0.3, 1.3, rng))
        image = _laid_on(image, _spread(drops, streak), uniform(0.15, 0.8, rng), light)
    return image


def snow(image: Tensor, rng: torch.Generator) -> Tensor:
    """Draw two to four layers of flakes, small and many to large and few; some of them are moved or out of focus."""
    light, angle = uniform(0.85, 1, rng), uniform(30, 150, rng)
    for _ in range(randint(2, 5, rng)):
        radius = log_uniform(0.7, 5, rng)
        flake = draw(Blur("defocus", (radius,)))
        share = uniform(0.01, 0.08, rng) / (3.1 * radius**2)
        layer = _spread(_drops(image.shape[-2:], share, rng), flake)
        if chance(0.4, rng):
            layer = _spread(layer, draw(Blur("motion", (uniform(2, 3 + 2 * radius, rng), angle))))
        layer = blur_mirrored(layer, uniform(0.3, 0.4 + 0.3 * radius, rng))
        image = _laid_on(image, layer, uniform(0.35, 1, rng), light)
    return image


def _drops(size_hw: tuple[int, ...], share: float, rng: torch.Generator) -> Tensor:
    """Return points (1, H, W) of random weight on a share of the pixels."""
    weight = 0.3 + 0.7 * torch.rand((1, *size_hw), generator=rng)
    return weight * (torch.rand((1, *size_hw), generator=rng) < share)


def _spread(points: Tensor, shape: Tensor) -> Tensor:
    """Put a shape, its peak scaled to 1, at each point of (1, H, W); shapes go on beyond the opposite border."""
    hw = points.shape[-2:]
    spectrum = torch.fft.rfft2(shape / shape.max(), hw)
    return torch.fft.irfft2(torch.fft.rfft2(points) * spectrum, hw).clamp(0, 1)


def _laid_on(image: Tensor, layer: Tensor, strength: float, light: float) -> Tensor:
    """Cover a picture by a layer (1, H, W) of a light, scaled so that its brightest parts have a strength."""
    cover = strength * layer / layer.max().clamp_min(0.05)
    return image + cover * (light - image)


def depth(image: Tensor, rng: torch.Generator) -> Tensor:
    """Return a made depth (1, H, W) in [0, 1]: upwards, by brightness, of parts or random, with the picture's edges."""
    h, w = image.shape[-2:]
    grey = blur_mirrored(luma(image), SOFT_PX)
    rows = torch.linspace(1, 0, h)[:, None].expand(h, w)
    slope = (rows + uniform(-0.3, 0.3, rng) * torch.linspace(-1, 1, w)).clamp(0, 1) ** log_uniform(
        0.5, 3, rng
    )
    parts = torch.rand(12, generator=rng)[(11.99 * grey[0].clamp(0, 1)).long()]
    fields = (slope, smooth_noise(h, w, uniform(0.2, 0.8, rng) * h, rng), parts, grey[0])
    weights = torch.rand(4, generator=rng) ** 2 * torch.tensor((2.0, 1.0, 0.7, 0.7))
    mixed = sum((weight * field for weight, field in zip(weights, fields, strict=True)), torch.zeros(h, w))
    smooth = guided(grey[None], mixed[None, None], GUIDE_PX, FLAT)[0]
    low, high = smooth.aminmax()
    return (smooth - low) / (high - low).clamp_min(1e-3)


def haze(image: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return a hazy picture, the share of its light that comes through (1, H, W), and the air's light (3, 1, 1)."""
    near, thick = uniform(0, 0.5, rng), log_uniform(0.3, 2.5, rng)
    share = torch.exp(-thick * (near + depth(image, rng)))
    air = uniform(0.5, 1, rng) + 0.04 * torch.randn((3, 1, 1), generator=rng)
    air = F.hardtanh(air, 0.3, 1.0)
    return hazy(image[None], share[None], air[None])[0], share, air
