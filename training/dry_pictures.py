"""Dry pictures that are taken for wet ones: grainy prints, things like streaks and flakes, sky between leaves.

Images are (3, H, W) in [0, 1]; all is drawn from `rng`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.runner import Runner
from photorestore.pixels.tensors import luma
from training.degradations import fading, noise
from training.degradations.lookalikes import draw_lookalike
from training.degradations.lookalikes.layer import any_colour
from training.mistaken import MISTAKEN, mistaken_crops
from training.randomness import chance, log_uniform, randint, uniform

MOST_SIGMA_255 = 12.0
"""Of noise and grain, which have to stay."""
CHANGED = 0.1
"""Darkening, the mean of 3 x 3 pixels, from which a dry pixel is mistaken; that of grain comes to nothing there."""
SHARPNESS = 100.0
"""By what the logit of a mistake grows with darkening."""


def wear(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Make three in ten pictures grey or toned, and put noise or grain on two thirds of all; not clamped."""
    is_grey, sigma = chance(0.3, rng), MOST_SIGMA_255 / 255 * uniform(0, 1, rng)
    if is_grey:
        gt = fading.grey(gt)
    kind = randint(0, 3, rng)
    if kind == 1:
        gt = noise.gaussian(gt[:1] if is_grey else gt, sigma, rng).expand(3, -1, -1)
    if kind == 2:
        gt = noise.film_grain(gt, sigma, log_uniform(0.3, 1.5, rng), rng)
    return fading.sepia(gt, uniform(0.2, 1, rng)) if is_grey and chance(0.4, rng) else gt


def draw_like_weather(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Draw something that is no weather: twigs, grass, beads and other things, or sky between what is dark."""
    return sky_between(gt, rng) if chance(0.4, rng) else draw_lookalike(gt, rng)


def sky_between(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Let a bright sky show where a picture is brightest, as between leaves and twigs."""
    grey = luma(gt)
    limit = grey.flatten().quantile(uniform(0.5, 0.97, rng))
    shown = (0.5 + log_uniform(6, 60, rng) * (grey - limit)).clamp(0, 1)
    return torch.lerp(uniform(0.3, 1, rng) * gt, any_colour(rng, bright=True), shown)


def mistaken_for_wet(
    dry: Runner[Tensor], photos: Sequence[Tensor], size_px: int, rng: torch.Generator
) -> list[Tensor]:
    """Cut out what a network darkens most in dry photographs, as `mistaken_crops` does, uint8 (3, h, w)."""

    def detect(image: Tensor) -> Tensor:
        darkened = F.avg_pool2d((image - dry(image)).mean(1, keepdim=True), 3, 1, 1)
        return torch.tensor(MISTAKEN).logit() + SHARPNESS * (darkened - CHANGED)

    return mistaken_crops(detect, photos, size_px, rng)
