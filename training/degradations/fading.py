"""Age and scan a whole picture: fading, sepia, casts, blur, lost resolution, paper.

Every function is pure and draws from the `rng` it is given, if it draws at all. Images are (3, H, W) in [0, 1];
results are not clamped unless said.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.tensors import gaussian_taps, luma
from training.degradations import noise
from training.degradations.damage import damage
from training.degradations.sources import DamageSources
from training.randomness import chance, pick, randint, uniform

SEPIA = (1.08, 0.98, 0.78)
"""Colour of a toned silver print's mid-tones, luma kept."""

Pair = tuple[Tensor, Tensor]


def grey(image: Tensor) -> Tensor:
    """Return the luma in three equal channels."""
    return luma(image).expand(3, -1, -1)


def sepia(image: Tensor, strength: float) -> Tensor:
    """Mix with a brown-toned version; `strength` 0 to 1."""
    return torch.lerp(image, luma(image) * torch.tensor(SEPIA).view(3, 1, 1), strength)


def fade(image: Tensor, strength: float, level: float) -> Tensor:
    """Lose contrast: move everything towards one `level`; `strength` 0 to 1."""
    return image * (1 - strength) + strength * level


def bleach(image: Tensor, strength: float) -> Tensor:
    """Bleach the dyes unevenly: blue and green densities fall, blacks turn reddish; `strength` 0 to 1."""
    density = torch.tensor([0.95, 0.75, 0.6]).view(3, 1, 1)
    return torch.lerp(image, 1 - (1 - image) * density, strength)


def colour_cast(image: Tensor, amount: float, rng: torch.Generator) -> Tensor:
    """Scale and shift each channel by up to `amount`."""
    gains = 1 + amount * (2 * torch.rand((3, 1, 1), generator=rng) - 1)
    shifts = amount / 2 * (2 * torch.rand((3, 1, 1), generator=rng) - 1)
    return image * gains + shifts


def gamma(image: Tensor, exponent: float) -> Tensor:
    """Darken (above 1) or brighten (below 1) the mid-tones."""
    return image.clamp(0, 1) ** exponent


def blur(image: Tensor, sigma_px: float) -> Tensor:
    """Blur (C, H, W) by a Gaussian, borders repeated; as two band matrices, which is quicker than convolutions."""
    h, w = image.shape[-2:]
    return _blur_matrix(h, sigma_px) @ image @ _blur_matrix(w, sigma_px).mT


def resample(image: Tensor, factor: float) -> Tensor:
    """Shrink (C, H, W) by `factor` below 1 and enlarge it again, bilinearly."""
    h, w = image.shape[-2:]
    size = (max(8, round(h * factor)), max(8, round(w * factor)))
    small = F.interpolate(image[None], size, mode="bilinear", antialias=True)
    return F.interpolate(small, (h, w), mode="bilinear")[0]


def paper(image: Tensor, texture: Tensor, opacity: float, rng: torch.Generator) -> Tensor:
    """Blend with the relief of a paper (3, h, w) uint8 by addition, multiplication or screen."""
    relief = _fit(texture, image.shape[-2], image.shape[-1], rng)
    mode = randint(0, 3, rng)
    if mode == 0:
        return image + opacity * (relief - relief.mean())
    blended = image * (relief / relief.mean()) if mode == 1 else 1 - (1 - image) * (1 - 0.5 * relief)
    return torch.lerp(image, blended, opacity)


def old_photo(gt: Tensor, sources: DamageSources, rng: torch.Generator) -> Pair:
    """Turn a clean photograph into an old one.

    After Wan et al. (CVPR 2020): each step has its chance, in random order. It differs in that blur, noise and lost
    resolution are milder and each in half of the pictures, so that detail is left to keep, and in that fading,
    sepia and bleached dyes are added. JPEG comes last, as scans are stored.

    Returns:
        lq: (3, H, W) in [0, 1], 8-bit values.
        alpha: (1, H, W) in [0, 1], how strongly damage overwrote each pixel, blurred where lq was.
    """
    pair = (gt, torch.zeros_like(gt[:1]))
    for index in torch.randperm(len(STEPS), generator=rng).tolist():
        probability, step = STEPS[index]
        if chance(probability, rng):
            pair = step(pair, sources, rng)
    lq, alpha = pair
    if chance(0.5, rng):
        return noise.jpeg(lq, randint(40, 96, rng), subsample=chance(0.5, rng)), alpha
    return noise.quantise(lq), alpha


def _damaged(pair: Pair, sources: DamageSources, rng: torch.Generator) -> Pair:
    lq, alpha = damage(pair[0].clamp(0, 1), sources, rng)
    return lq, torch.maximum(alpha, pair[1])


def _blurred(pair: Pair, _sources: DamageSources, rng: torch.Generator) -> Pair:
    sigma_px = 0.4 + 2.6 * uniform(0, 1, rng) ** 2
    return blur(pair[0], sigma_px), blur(pair[1], sigma_px)


def _resampled(pair: Pair, _sources: DamageSources, rng: torch.Generator) -> Pair:
    factor = uniform(0.4, 0.9, rng)
    return resample(pair[0], factor), resample(pair[1], factor)


def _noisy(pair: Pair, _sources: DamageSources, rng: torch.Generator) -> Pair:
    lq, kind = pair[0], randint(0, 8, rng)
    strength = uniform(0, 1, rng) ** 1.5
    if kind < 3:
        lq = noise.film_grain(lq, 0.12 * strength, uniform(0.4, 1.5, rng), rng)
    elif kind < 5:
        lq = noise.gaussian(lq, 0.02 + 0.15 * strength, rng)
    elif kind < 7:
        lq = noise.speckle(lq, 0.02 + 0.2 * strength, rng)
    else:
        lq = noise.salt_and_pepper(lq, 0.01 * strength, rng)
    return lq, pair[1]


def _aged(pair: Pair, _sources: DamageSources, rng: torch.Generator) -> Pair:
    lq, kind = pair[0], randint(0, 4, rng)
    if kind == 0:
        lq = fade(lq, uniform(0.1, 0.6, rng), uniform(0.3, 0.9, rng))
    elif kind == 1:
        lq = sepia(lq, uniform(0.4, 1, rng))
    elif kind == 2:
        lq = bleach(lq, uniform(0.3, 1, rng))
    else:
        lq = gamma(lq, math.exp(uniform(-0.5, 0.5, rng)))
    return lq, pair[1]


def _cast(pair: Pair, _sources: DamageSources, rng: torch.Generator) -> Pair:
    return colour_cast(pair[0], 20 / 255 * uniform(0.2, 2, rng), rng), pair[1]


def _grey(pair: Pair, _sources: DamageSources, _rng: torch.Generator) -> Pair:
    return grey(pair[0]), pair[1]


def _on_paper(pair: Pair, sources: DamageSources, rng: torch.Generator) -> Pair:
    texture = pick(sources.papers, rng)
    return paper(pair[0], texture, uniform(0.05, 0.5, rng), rng), pair[1]


Step = Callable[[Pair, DamageSources, torch.Generator], Pair]
STEPS: tuple[tuple[float, Step], ...] = (
    (0.7, _damaged),
    (0.5, _blurred),
    (0.3, _resampled),
    (0.6, _noisy),
    (0.6, _aged),
    (0.4, _cast),
    (0.2, _grey),
    (0.3, _on_paper),
)
"""Chance and step; the order is drawn anew for each picture."""


def _blur_matrix(size: int, sigma_px: float) -> Tensor:
    """Return (size, size), row i holding the weights of output i; borders count the last pixel again."""
    radius = max(1, math.ceil(3 * sigma_px))
    offsets = torch.arange(-radius, radius + 1)
    rows = torch.arange(size)[:, None].expand(-1, 2 * radius + 1)
    columns = (rows + offsets).clamp(0, size - 1)
    weights = gaussian_taps(sigma_px, radius).expand(size, -1)
    return torch.zeros((size, size)).index_put((rows, columns), weights, accumulate=True)


def _fit(texture: Tensor, h: int, w: int, rng: torch.Generator) -> Tensor:
    """A random crop of a texture, mirrored on where it is too small: float (3, h, w)."""
    doubled = torch.cat([texture, texture.flip(-1)], -1)
    doubled = torch.cat([doubled, doubled.flip(-2)], -2)
    doubled = doubled.repeat(1, 1 + h // doubled.shape[-2], 1 + w // doubled.shape[-1])
    y = randint(0, doubled.shape[-2] - h + 1, rng)
    x = randint(0, doubled.shape[-1] - w + 1, rng)
    return doubled[:, y : y + h, x : x + w].float() / 255
