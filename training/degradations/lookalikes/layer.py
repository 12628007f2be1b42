"""Helpers that all lookalikes share: colours, light from one side, and where a surface shows."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from training.degradations.canvas import coverage_of
from training.degradations.fading import blur
from training.degradations.fields import clouds
from training.randomness import chance, uniform

Layer = tuple[Tensor, Tensor]
"""Colour (3, H, W), and how much of the picture it covers (1, H, W), both in [0, 1]."""


def lit(image: Image.Image, rng: torch.Generator) -> Layer:
    """Light what was drawn, bright on one side and dark on the other, or make it a silhouette."""
    coverage = coverage_of(image)
    _, h, w = coverage.shape
    slope = blur(coverage, 1)
    side = (slope.roll(1, -1) - slope.roll(-1, -1)) * uniform(-0.8, 0.8, rng)
    colour = (any_colour(rng) + side * (1 + 0.1 * clouds(h, w, 3, rng))).clamp(0, 1)
    return colour, coverage * uniform(0.6, 1, rng)


def region(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Draw where a surface shows (1, H, W): everywhere, or in a patch with a border of any form."""
    if chance(0.35, rng):
        return torch.ones((1, h, w))
    height = clouds(h, w, uniform(0.2, 0.8, rng) * max(h, w), rng)
    sharp = uniform(2, 40, rng)
    return (0.5 + sharp * (height + uniform(-0.2, 0.6, rng))).clamp(0, 1)


def any_colour(rng: torch.Generator, *, bright: bool | None = None) -> Tensor:
    """Draw a colour (3, 1, 1), mostly dull; bright, dark or either."""
    low, high = {None: (0.03, 0.97), True: (0.7, 1.0), False: (0.0, 0.3)}[bright]
    hue = torch.rand((3, 1, 1), generator=rng) - 0.5
    return (uniform(low, high, rng) + uniform(0, 0.4, rng) * hue).clamp(0, 1)
