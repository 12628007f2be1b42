"""Draw night skies: what is bright, small and everywhere, and no dust.

Magnitudes of stars follow a power law, as counts of real ones do (Bahcall and Soneira, ApJS 1980), and all of a picture
have one blur, that of air and lens; dust on a print has sharp rims, and its brightness is that of the paper.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from training.degradations.fields import clouds, smooth_line, smooth_noise
from training.randomness import chance, log_uniform, randint, uniform

SLOPE = 1.2
"""Ten times fainter stars are `10**SLOPE` times as many: 1.5 in space that is filled evenly, less through dust."""
MARGIN_PX = 40
"""Stars are drawn beyond the picture, too, as their light reaches in."""


def night_sky(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Draw a night sky (3, h, w) in [0, 1]: stars, at times galaxies, a milky way, trails, and hills before it."""
    tint = 1 + torch.tensor([-0.3, 0.0, 0.4])[:, None, None] * uniform(-0.6, 1, rng)
    glow = smooth_noise(h, w, max(h, w) / 2, rng) * torch.linspace(0.3, 1, h)[:, None]
    sky = tint * (uniform(0, 0.06, rng) + uniform(0, 0.16, rng) * glow)
    if chance(0.4, rng):  # a milky way, a nebula
        light = clouds(h, w, uniform(60, 250, rng), rng) + 0.4 * clouds(h, w, uniform(15, 50, rng), rng)
        hue = 1 + 0.4 * torch.randn((3, 1, 1), generator=rng)
        sky = sky + hue.clamp(0.3, 2) * uniform(0.03, 0.2, rng) * light.clamp_min(0)
    sky = sky + _stars(h, w, rng)
    if chance(0.3, rng):
        sky = sky + _galaxies(h, w, rng)
    if chance(0.35, rng):  # hills, woods, roofs
        rim = h * (
            uniform(0.6, 1, rng)
            - 0.3 * smooth_line(torch.arange(w)[None].float(), uniform(15, 150, rng), rng)
        )
        sky = torch.where(torch.arange(h)[:, None] > rim, uniform(0, 0.05, rng) * tint, sky)
    sky = sky + uniform(0, 0.02, rng) * torch.randn((3, h, w), generator=rng)
    if chance(0.25, rng):
        sky = sky.mean(0, keepdim=True).expand(3, -1, -1)
    return sky.clamp(0, 1)


def _stars(h: int, w: int, rng: torch.Generator) -> Tensor:
    """The light of stars (3, h, w): points, blurred alike; in some pictures trails along one direction."""
    count = round(log_uniform(30, 4000, rng) * h * w / (480 * 320))
    faintest = log_uniform(0.03, 0.3, rng)
    light = faintest * torch.rand(count, generator=rng).clamp_min(1e-5) ** (-1 / SLOPE)
    warmth = 0.25 * torch.randn(count, generator=rng)
    colours = torch.stack([1 + warmth, torch.ones(count), 1 - warmth]).clamp(0.3, 1.7)
    size = (h + 2 * MARGIN_PX, w + 2 * MARGIN_PX)
    points = torch.zeros((3, *size))
    rows, columns = (torch.randint(side, (count,), generator=rng) for side in size)
    points.index_put_(
        (torch.arange(3)[:, None], rows, columns), light.clamp_max(60) * colours, accumulate=True
    )
    sigma_px = log_uniform(0.5, 1.8, rng)
    spread = _gaussian(points, sigma_px) * 2 * math.pi * sigma_px**2  # a star's middle has its light
    spread = spread + uniform(0, 0.02, rng) * _gaussian(points, uniform(4, 9, rng)) * 100  # halos
    if chance(0.15, rng):
        spread = _trailed(spread, rng)
    return spread[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def _galaxies(h: int, w: int, rng: torch.Generator) -> Tensor:
    """The light of a few galaxies and nebulae (3, h, w): soft ellipses with a brighter core."""
    rows, columns = torch.arange(h).float()[:, None], torch.arange(w).float()[None]
    light = torch.zeros((3, h, w))
    for _ in range(randint(1, 40, rng)):
        turn, radius_px = uniform(0, math.pi, rng), log_uniform(1, 14, rng)
        y, x = rows - uniform(0, h, rng), columns - uniform(0, w, rng)
        along = math.cos(turn) * x + math.sin(turn) * y
        across = (math.cos(turn) * y - math.sin(turn) * x) / uniform(0.2, 1, rng)
        profile = torch.exp(-1.7 * (torch.hypot(along, across) / radius_px))
        hue = (1 + 0.3 * torch.randn((3, 1, 1), generator=rng)).clamp(0.4, 1.6)
        light = light + hue * log_uniform(0.08, 1.2, rng) * profile
    return light


def _gaussian(light: Tensor, sigma_px: float) -> Tensor:
    blurred = [cv2.GaussianBlur(part, (0, 0), sigma_px) for part in light.numpy()]
    return torch.from_numpy(np.stack(blurred))


def _trailed(light: Tensor, rng: torch.Generator) -> Tensor:
    """Draw the light out along a line, as a camera does that does not follow the sky."""
    length_px, turn = randint(4, 25, rng), uniform(0, math.pi, rng)
    step = torch.tensor([math.sin(turn), math.cos(turn)])
    trailed = torch.zeros_like(light)
    for part in range(length_px):
        down, right = (part * step).round().int().tolist()
        trailed = torch.maximum(trailed, light.roll((down, right), (1, 2)))
    return trailed
