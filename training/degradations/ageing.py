"""Tone prints, age them unevenly, and measure how that shows. Images are (3, H, W) in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.tensors import luma
from training.degradations import fading
from training.degradations.fields import smooth_noise
from training.randomness import chance, uniform


def tone(image: Tensor, rng: torch.Generator) -> Tensor:
    """Tone a grey image as a brown, red, yellow or blue silver print: one hue for each grey value."""
    if chance(0.4, rng):
        return fading.sepia(image, uniform(0.4, 1.2, rng))
    dark = torch.rand((3, 1, 1), generator=rng) * torch.tensor([0.3, 0.2, 0.15]).view(3, 1, 1)
    light = 1 - torch.rand((3, 1, 1), generator=rng) * torch.tensor([0.08, 0.2, 0.5]).view(3, 1, 1)
    if chance(0.15, rng):
        dark, light = dark.flip(0), light.flip(0)
    return dark + (light - dark) * image


def unevenly_aged(image: Tensor, rng: torch.Generator) -> Tensor:
    """Darken or lighten the image towards its rim, or bleach it unevenly."""
    _, h, w = image.shape
    if chance(0.4, rng):
        veil = smooth_noise(h, w, uniform(0.3, 0.8, rng) * max(h, w), rng)[None]
        return torch.lerp(image, torch.full_like(image, uniform(0.5, 1, rng)), 0.5 * veil)
    rows = torch.linspace(-1, 1, h)[:, None] - uniform(-0.2, 0.2, rng)
    columns = torch.linspace(-1, 1, w)[None] - uniform(-0.2, 0.2, rng)
    rim = ((rows**2 + columns**2) / 2).clamp(0, 1) ** uniform(0.7, 3, rng) * uniform(0.3, 1, rng)
    return torch.lerp(image, torch.full_like(image, 0.0 if chance(0.6, rng) else 0.95), rim)


def tone_of(image: Tensor) -> float:
    """Return 1 for one hue over all tones, as sepia has; 0 for grey; -1 for coloured, or too little to say."""
    red, green, blue = F.adaptive_avg_pool2d(image[None], 64)[0].flatten(1)
    warm, cool = red - blue, green - (red + blue) / 2
    chroma = float((warm.abs() + cool.abs()).mean())
    spread = float(warm.std() + cool.std())
    if chroma < 0.015:
        return 0.0
    return 1.0 if chroma > 0.06 and spread < 0.8 * chroma else -1.0


def contrast_of(image: Tensor) -> float:
    """Return the difference between nearly white and nearly black luma in the inner three quarters."""
    _, h, w = image.shape
    inner = luma(image[:, h // 8 : -h // 8, w // 8 : -w // 8]).flatten()[::7]
    black, white = torch.quantile(inner, torch.tensor([0.01, 0.99])).tolist()
    return white - black
