"""Mechanical damage: stamps and label maps of real film dirt, and procedural strokes, laid over a photograph.

Pure and seeded: everything is drawn from the `rng` that is given. Images are (3, H, W) in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.degradations import strokes
from training.degradations.damage.layers import draw_layer
from training.degradations.damage.recipes import DEFAULT_RECIPE, MODERATE_RECIPE, DamageRecipe
from training.degradations.noise import quantise
from training.degradations.sources import DamageSources
from training.randomness import chance, randint, uniform

MODERATE_SHARE = (0.005, 0.06)
DAMAGED = 0.1
"""Alpha above which a pixel counts as damaged."""


def damage(
    gt: Tensor, sources: DamageSources, rng: torch.Generator, recipe: DamageRecipe = DEFAULT_RECIPE
) -> tuple[Tensor, Tensor]:
    """Lay random damage over a picture.

    Returns:
        lq: (3, H, W) in [0, 1], not quantised. White dust on a white sky is not there: see `visible`.
        alpha: (1, H, W) in [0, 1], how strongly each pixel was overwritten; where it is 0, lq equals gt.
    """
    h, w = gt.shape[-2:]
    lq, kept = gt, torch.ones((1, h, w))
    if chance(recipe.clean, rng):
        return gt.clone(), 1 - kept
    for _ in range(randint(recipe.layers[0], recipe.layers[1] + 1, rng)):
        coverage = draw_layer(h, w, sources, recipe, rng) * uniform(*recipe.opacity, rng)
        lq = _composite(lq, coverage, recipe, rng)
        kept = kept * (1 - coverage)
    if chance(0.08, rng):
        lq, kept = _add_fold(lq, kept, recipe, rng)
    changed = (lq - gt).abs().amax(0, keepdim=True) >= recipe.visible
    return torch.where(changed, lq.clamp(0, 1), gt), torch.where(changed, 1 - kept, 0.0)


def damage_moderately(
    gt: Tensor, sources: DamageSources, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Damage a picture by `MODERATE_RECIPE`, drawn anew until its damaged share is within `MODERATE_SHARE`.

    Returns:
        lq: (3, H, W) and alpha: (1, H, W), as in `damage`, both rounded to 8 bits.
        mask: (1, H, W) bool, where alpha is above `DAMAGED`.
    """
    while True:
        lq, alpha = (quantise(values) for values in damage(gt, sources, rng, MODERATE_RECIPE))
        mask = alpha > DAMAGED
        if MODERATE_SHARE[0] <= float(mask.float().mean()) <= MODERATE_SHARE[1]:
            return lq, alpha, mask


def _composite(image: Tensor, coverage: Tensor, recipe: DamageRecipe, rng: torch.Generator) -> Tensor:
    """Paint, lighten, darken, screen or multiply with a random colour where a layer covers the image."""
    colour, is_bright = _colour(recipe, rng)
    mode = randint(0, 4, rng)
    if mode < 2:
        covered = colour
    elif mode == 2:
        covered = torch.maximum(image, colour) if is_bright else torch.minimum(image, colour)
    else:
        covered = 1 - (1 - image) * (1 - colour) if is_bright else image * colour
    return torch.lerp(image, covered.expand_as(image), coverage.expand_as(image))


def _colour(recipe: DamageRecipe, rng: torch.Generator) -> tuple[Tensor, bool]:
    """A colour (3, 1, 1) and whether it is bright."""
    draw = uniform(0, 1, rng)
    tint = 1 + 0.06 * torch.randn((3, 1, 1), generator=rng)
    if draw < recipe.white:
        return (uniform(0.7, 1.0, rng) * tint).clamp(0, 1), True
    if draw < recipe.white + recipe.black:
        return (uniform(0.0, 0.25, rng) * tint).clamp(0, 1), False
    paper = torch.tensor([0.93, 0.87, 0.75]).view(3, 1, 1)
    return (uniform(*recipe.paper, rng) * paper * tint).clamp(0, 1), True


def _add_fold(lq: Tensor, kept: Tensor, recipe: DamageRecipe, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A crease; its faint shading counts as overwritten by as much as it changes, which is below .1."""
    h, w = lq.shape[-2:]
    crease, shading = strokes.fold(h, w, rng)
    shade = shading * uniform(0.02, 0.09, rng)
    crease = crease * uniform(*recipe.opacity, rng)
    lq = _composite((lq + shade).clamp(0, 1), crease, recipe, rng)
    return lq, kept * (1 - crease) * (1 - shade.abs())
