"""Add faults to a picture, and say whether they show: damage, fading, noise, and how it is stored."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.preprocess.network import KINDS
from training.degradations import fading, noise
from training.degradations.ageing import contrast_of
from training.degradations.damage import damage
from training.degradations.damage.recipes import DEFAULT_RECIPE
from training.degradations.framing import bordered
from training.degradations.prints import damage_print
from training.judged.pictures import UNKNOWN, Judged, Sources
from training.randomness import chance, log_uniform, randint, uniform

DAMAGED_SHARES = (0.0004, 0.003)
"""Below the first share of pixels that damage covers a picture counts as sound, above the second as damaged."""


def stored(judged: Judged, rng: torch.Generator) -> Judged:
    """Store a picture in 8 bits, often as JPEG, at times in a border."""
    image = judged.image.clamp(0, 1)
    if chance(0.3 if judged.kind == KINDS.index("print") else 0.12, rng):
        image = bordered(image, rng)
    if not chance(0.55, rng):
        return replace(judged, image=noise.quantise(image))
    is_heavy = chance(0.1, rng)
    quality = randint(10, 30, rng) if is_heavy else randint(50, 97, rng)
    compressed = noise.jpeg(image, quality, subsample=chance(0.6, rng))
    if is_heavy and judged.kind in (KINDS.index("halftone"), -1):
        return replace(judged, image=compressed, noisy=UNKNOWN)
    return replace(judged, image=compressed, noisy=1.0 if is_heavy else judged.noisy)


def add_noise(judged: Judged, rng: torch.Generator, grain: float = 0.3) -> Judged:
    """Add white noise, or with a chance of `grain` grain up to some px wide; near the limits it is `UNKNOWN`."""
    strength_255 = log_uniform(1.5, 45, rng)
    if chance(grain, rng):
        strength_255 = min(strength_255, 30.0)
        image = noise.film_grain(judged.image, strength_255 / 255, uniform(0.4, 2.2, rng), rng)
        limits = (3.0, 7.0)
    elif chance(0.3, rng):
        image = noise.poisson_gaussian(judged.image, (strength_255 / 255) ** 2, strength_255 / 510, rng)
        limits = (5.0, 14.0)
    else:
        image, limits = noise.gaussian(judged.image, strength_255 / 255, rng), (5.0, 9.0)
    is_noisy = 1.0 if strength_255 > limits[1] else judged.noisy if strength_255 < limits[0] else UNKNOWN
    kind = -1 if judged.kind == 0 and limits[0] == 3.0 and strength_255 > 4 else judged.kind
    return replace(judged, image=image.clamp(0, 1), noisy=is_noisy, kind=kind)


def add_damage(
    image: Tensor, sources: Sources, rng: torch.Generator, film: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Damage of prints, or of film with a chance of `film`; drawn at the picture's size or, as in a scan, coarser."""
    _, h, w = image.shape
    if chance(film, rng):
        return damage(image, sources.film, rng, DEFAULT_RECIPE)
    if chance(0.7, rng) or min(h, w) < 128:
        return damage_print(image, sources.cracks, rng)
    small = F.interpolate(image[None], (h // 2, w // 2), mode="area")[0]
    lq, alpha = damage_print(small, sources.cracks, rng)
    change, alpha = (F.interpolate(part[None], (h, w), mode="bilinear")[0] for part in (lq - small, alpha))
    return (image + change).clamp(0, 1), alpha


def is_damaged(alpha: Tensor) -> float:
    """Return 1, 0 or `UNKNOWN`, by the share of pixels that damage covers visibly."""
    share = float((alpha > 0.25).float().mean())
    return 0.0 if share < DAMAGED_SHARES[0] else 1.0 if share > DAMAGED_SHARES[1] else UNKNOWN


def either(first: float, second: float) -> float:
    """Return 1 where one of two flags is 1, 0 where both are, and else `UNKNOWN`."""
    return 1.0 if 1.0 in (first, second) else 0.0 if first == second == 0 else UNKNOWN


def add_fading(image: Tensor, rng: torch.Generator) -> tuple[Tensor, float]:
    """Wash a picture out or make it milky; return it, and 1, 0 or `UNKNOWN` for whether that shows."""
    strength = uniform(0.1, 0.7, rng)
    faded = fading.fade(image, strength, uniform(0.2, 0.95, rng))
    if chance(0.3, rng):
        faded = fading.gamma(faded, math.exp(uniform(-0.6, 0.3, rng)))
    return faded, 1.0 if strength > 0.35 else 0.0 if strength < 0.15 else UNKNOWN


def is_faded(judged: Judged) -> float:
    """Return 1, 0 or `UNKNOWN` by the contrast of a real print, where it was not faded on purpose."""
    if judged.faded == 1:
        return 1.0
    span = contrast_of(judged.image)
    return 1.0 if span < 0.55 else 0.0 if span > 0.8 else UNKNOWN
