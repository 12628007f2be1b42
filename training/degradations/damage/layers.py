"""One layer of damage as coverage: stamps and label maps of real film dirt, procedural strokes, stains."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from training.degradations import strokes
from training.degradations.damage.recipes import DamageRecipe
from training.degradations.sources import STAMP_KINDS, DamageSources
from training.randomness import chance, pick, randint, uniform, weighted_index

LAYER_WEIGHTS = (0.42, 0.2, 0.33, 0.05)
"""Stamps, label maps, strokes, stains."""
KIND_WEIGHTS = (1.0, 0.4, 2.0, 1.5, 1.5, 1.5, 0.6, 1.5, 0.8, 0.5)
"""How often each of `STAMP_KINDS` is taken."""
BLOBS = {"dots", "smut", "stain"}
DENSE = {"scratches", "sprinkles", "dirt"}


def draw_layer(h: int, w: int, sources: DamageSources, recipe: DamageRecipe, rng: torch.Generator) -> Tensor:
    """Draw one layer of damage; return its coverage (1, H, W)."""
    kind = weighted_index(LAYER_WEIGHTS, rng)
    if kind == 0:
        coverage = _stamp_layer(h, w, sources, recipe, rng)
    elif kind == 1:
        coverage = _scan_layer(h, w, sources.scans, rng)
    elif kind == 2:
        coverage = _stroke_layer(h, w, recipe, rng)
    else:
        return _stain_layer(h, w, sources.stamps["stain"], rng)
    return (_soften(coverage, recipe, rng) * uniform(*recipe.body, rng)).clamp_max(1)


def _stamp_layer(
    h: int, w: int, sources: DamageSources, recipe: DamageRecipe, rng: torch.Generator
) -> Tensor:
    """One kind of stamp, tiled over the picture; sparse kinds more often than dense ones."""
    kind = STAMP_KINDS[weighted_index(KIND_WEIGHTS, rng)]
    most_scale, count = (0.25, 3) if kind in BLOBS else (1.0, 2) if kind in DENSE else (1.0, 8)
    canvas = torch.zeros((h, w))
    scale = uniform(recipe.stamp_scale[0], recipe.stamp_scale[1] * most_scale, rng)
    expected = count * uniform(*recipe.density, rng) * h * w / 256**2
    for _ in range(max(1, min(40, round(expected)))):
        stamp = sources.stamps[kind][randint(0, len(sources.stamps[kind]), rng)]
        _paste(canvas, stamp, scale * uniform(0.7, 1.3, rng), rng)
    return canvas[None]


def _scan_layer(h: int, w: int, scans: tuple[Tensor, ...], rng: torch.Generator) -> Tensor:
    """A crop of a real frame's label map, shrunk 1 to 4 times; of several places one with damage is taken."""
    scan = pick(scans, rng)
    shrink = min(uniform(1, 4, rng), scan.shape[0] / h, scan.shape[1] / w)
    crop_h, crop_w = int(h * shrink), int(w * shrink)
    for _ in range(4):
        y, x = randint(0, scan.shape[0] - crop_h + 1, rng), randint(0, scan.shape[1] - crop_w + 1, rng)
        crop = scan[y : y + crop_h, x : x + crop_w]
        if int(crop[::4, ::4].count_nonzero()) * 16 > 0.004 * crop.numel():
            break
    crop = crop if chance(0.5, rng) else crop.flip(-1)
    return F.interpolate(crop[None, None].float() / 255, (h, w), mode="area")[0]


def _stroke_layer(h: int, w: int, recipe: DamageRecipe, rng: torch.Generator) -> Tensor:
    """Procedural scratches, hairs, dust or a tear."""
    amount = uniform(*recipe.density, rng) * math.sqrt(h * w) / 256
    kind = randint(0, 10, rng)
    if kind < 4:
        return strokes.scratches(h, w, min(30, 1 + round(3 * amount)), rng)
    if kind < 7:
        return strokes.hairs(h, w, min(60, 1 + round(4 * amount**2)), rng)
    if kind < 9:
        return strokes.dust(h, w, min(600, 3 + round(30 * amount**2)), rng)
    return strokes.tear(h, w, rng)


def _stain_layer(h: int, w: int, stains: Tensor, rng: torch.Generator) -> Tensor:
    """A large, faint stain: it changes the tone, so its coverage stays below what counts as a hole."""
    canvas = torch.zeros((h, w))
    _paste(canvas, stains[randint(0, len(stains), rng)], uniform(0.5, 1.5, rng) * min(h, w) / 256, rng)
    return 0.1 * canvas[None]


def _paste(canvas: Tensor, stamp: Tensor, scale: float, rng: torch.Generator) -> None:
    """Draw a turned and perhaps mirrored stamp at a random place of the canvas (H, W), by maximum."""
    h, w = canvas.shape
    side = max(8, round(256 * scale))
    source = stamp[None, None].float().div_(255)
    if scale < 0.6:
        source = F.avg_pool2d(source, 2 if scale > 0.3 else 4)
    turn, mirror = uniform(0, 2 * math.pi, rng), 1.0 if chance(0.5, rng) else -1.0
    cos, sin = math.cos(turn), math.sin(turn)
    across = torch.linspace(-1, 1, side)
    down = mirror * across[:, None]
    grid = torch.stack([cos * across - sin * down, sin * across + cos * down], 2)
    patch = F.grid_sample(source, grid[None], align_corners=False)[0, 0]
    top, left = randint(-side // 2, h - side // 2, rng), randint(-side // 2, w - side // 2, rng)
    place = canvas[max(0, top) : top + side, max(0, left) : left + side]
    cut = patch[max(0, -top) :, max(0, -left) :][: place.shape[0], : place.shape[1]]
    torch.maximum(place, cut, out=place)


def _soften(coverage: Tensor, recipe: DamageRecipe, rng: torch.Generator) -> Tensor:
    """Wear a layer off in places and blur it a little."""
    if chance(recipe.worn, rng):
        _, h, w = coverage.shape
        coverage = coverage * strokes.patchiness(h, w, rng)
    if chance(0.6, rng):
        side = math.exp(-0.5 / max(0.25, uniform(0, recipe.blur, rng)) ** 2)
        coverage = _blur_rows(_blur_rows(coverage, side).mT, side).mT
    return coverage


def _blur_rows(coverage: Tensor, side: float) -> Tensor:
    """Three taps [side, 1, side], normalised; by slices, since a convolution of one channel is slow."""
    blurred = coverage / (1 + 2 * side)
    step = blurred * side
    blurred[..., 1:] += step[..., :-1]
    blurred[..., :-1] += step[..., 1:]
    return blurred
