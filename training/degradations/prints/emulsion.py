"""Take the emulsion off a print: what shows below, and the shadow of the rim."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.randomness import chance, randint, uniform

FIBRE = 0.07
"""Standard deviation of the paper's fibres where the emulsion is gone."""


Layer = tuple[Tensor, Tensor]
"""An image (3, H, W) after a layer of damage, and the layer's alpha (1, H, W)."""


def lift(image: Tensor, cover: Tensor, rng: torch.Generator) -> Layer:
    """Take the emulsion away where `cover` says: what shows instead, how opaque it is, and the rim's shadow."""
    h, w = image.shape[-2:]
    cover = cover * uniform(0.55, 1.0, rng)
    below = _ground(image, rng)
    fibre = torch.randn((1, h, w), generator=rng)
    if chance(0.5, rng):
        fibre = 1.6 * F.avg_pool2d(fibre[None], 3, 1, 1)[0]
    below = below + FIBRE * uniform(0, 1, rng) * fibre
    lq = torch.lerp(image, below.clamp(0, 1), cover.expand_as(image))
    alpha = cover[None]
    if chance(0.35, rng):
        step = (randint(-2, 3, rng), randint(-2, 3, rng))
        shadow = (cover.roll(step, (0, 1)) - cover).clamp_min(0)[None] * uniform(0.1, 0.6, rng)
        lq = lq * (1 - shadow)
        alpha = 1 - (1 - alpha) * (1 - shadow)
    return lq, alpha


def _ground(image: Tensor, rng: torch.Generator) -> Tensor:
    """The colour (3, 1, 1) or (3, H, W) that shows where a print has lost its emulsion."""
    kind, tint = uniform(0, 1, rng), 1 + 0.05 * torch.randn((3, 1, 1), generator=rng)
    if kind < 0.35:  # white fibre
        return uniform(0.78, 1, rng) * tint
    if kind < 0.6:  # the paper's own colour: the brightest tone of the picture, or somewhat more
        bright = torch.quantile(image.flatten(1), 0.98, dim=1).view(3, 1, 1)
        return bright * uniform(0.85, 1.15, rng) * tint
    if kind < 0.75:  # dirt, ink, a dark mount
        return uniform(0, 0.3, rng) * tint
    change = uniform(0.06, 0.25, rng) * (1 if chance(0.65, rng) else -1)  # rubbed: low contrast
    return F.avg_pool2d(image[None], 9, 1, 4, count_include_pad=False)[0] + change * tint
