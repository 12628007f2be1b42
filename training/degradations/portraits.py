"""Degrade faces as age, cheap lenses and scanning do those of old photographs.

Every function is pure and draws from the `rng` it is given. Images are (3, H, W) in [0, 1].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.degradations import fading, noise
from training.randomness import chance, randint, uniform

Pair = tuple[Tensor, Tensor]


def old_portrait(gt: Tensor, rng: torch.Generator) -> Pair:
    """Degrade a portrait.

    Tone is changed in both pictures: a grey, brown or faded face is to stay that way, because tone is mended for the
    whole picture, and never in an ellipse of it. Detail is lost in one of them.

    Args:
        gt: (3, H, W) whose eyes are some 64 px apart.

    Returns:
        lq: (3, H, W) in [0, 1], 8-bit values.
        gt: the same picture with its detail, in lq's tone, in [0, 1].
    """
    gt = toned(gt, rng).clamp(0, 1)
    return worn(gt, rng), gt


def worn(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Lose detail: blur, resolution, then noise or grain, copying, JPEG, each in a part; in [0, 1], 8-bit values."""
    lq = gt
    if chance(0.75, rng):
        lq = fading.blur(lq, 0.5 + 2.5 * uniform(0, 1, rng) ** 1.5)
    if chance(0.6, rng):
        lq = fading.resample(lq, uniform(0.2, 0.8, rng))
    if chance(0.75, rng):
        lq = _grainy(lq, uniform(0, 1, rng) ** 1.5, rng)
    if chance(0.15, rng):  # printed and photographed again
        lq = fading.resample(fading.blur(lq, 1.0), 0.6)
    if chance(0.6, rng):
        return noise.jpeg(lq, randint(30, 97, rng), subsample=chance(0.5, rng))
    return noise.quantise(lq)


def toned(image: Tensor, rng: torch.Generator) -> Tensor:
    """Make a third grey and a fifth brown, then fade, cast, darken or brighten some; not clamped."""
    kind = uniform(0, 1, rng)
    if kind < 0.35:
        image = fading.grey(image)
    elif kind < 0.55:
        image = fading.sepia(fading.grey(image), uniform(0.3, 1, rng))
    elif kind < 0.65:
        image = fading.bleach(image, uniform(0.2, 0.8, rng))
    if chance(0.25, rng):
        image = fading.gamma(image, math.exp(uniform(-0.4, 0.4, rng)))
    if chance(0.35, rng):
        image = fading.fade(image, uniform(0.05, 0.5, rng), uniform(0.3, 0.9, rng))
    if chance(0.2, rng):
        image = fading.colour_cast(image, 0.08 * uniform(0.2, 1, rng), rng)
    return image


def _grainy(lq: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    kind = randint(0, 4, rng)
    if kind == 0:
        return noise.film_grain(lq, 0.1 * strength, uniform(0.4, 1.8, rng), rng)
    if kind == 1:
        return noise.gaussian(lq, 0.12 * strength, rng)
    if kind == 2:
        return noise.poisson_gaussian(lq, 0.01 * strength, 0.06 * strength, rng)
    return noise.speckle(lq, 0.15 * strength, rng)
