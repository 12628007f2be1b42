"""Mechanical damage: stamps and label maps of real film dirt, and procedural strokes, laid over a photograph.

Pure and seeded: everything is drawn from the `rng` that is given. Images are (3, H, W) in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.degradations import strokes
from training.degradations.noise import quantise
from training.degradations.sources import STAMP_KINDS, DamageSources, load_damage_sources
from training.randomness import chance, pick, randint, uniform, weighted_index

__all__ = [
    "DAMAGED",
    "DEFAULT_RECIPE",
    "MODERATE_RECIPE",
    "MODERATE_SHARE",
    "DamageRecipe",
    "DamageSources",
    "damage",
    "damage_moderately",
    "load_damage_sources",
]

LAYER_WEIGHTS = (0.42, 0.2, 0.33, 0.05)
"""Stamps, label maps, strokes, stains."""
KIND_WEIGHTS = (1.0, 0.4, 2.0, 1.5, 1.5, 1.5, 0.6, 1.5, 0.8, 0.5)
"""How often each of `STAMP_KINDS` is taken."""
BLOBS = {"dots", "smut", "stain"}
DENSE = {"scratches", "sprinkles", "dirt"}


@dataclass(frozen=True, slots=True)
class DamageRecipe:
    """From which ranges `damage` draws.

    Attributes:
        layers: number of layers, both ends included.
        opacity: of a layer.
        white, black: chance of a near-white and of a near-black layer; the rest has the colour of paper.
        stamp_scale: size of a stamp as a share of its 256 px.
        density: multiplies the number of defects per area.
        clean: chance that a picture stays undamaged.
        body: factor on a layer's coverage, which stops at 1: a defect hides what is below it over most of its width,
            and only its rim is half transparent.
        worn: chance that a layer is worn off in places.
        paper: range of brightness of a layer that has the colour of paper.
        visible: change, in any channel, below which a pixel keeps its value and counts as undamaged.
        blur: greatest standard deviation, in px, by which a layer's coverage is blurred.
    """

    layers: tuple[int, int] = (1, 4)
    opacity: tuple[float, float] = (0.6, 1.0)
    white: float = 0.6
    black: float = 0.25
    stamp_scale: tuple[float, float] = (0.15, 1.2)
    density: tuple[float, float] = (0.3, 2.0)
    clean: float = 0.1
    body: tuple[float, float] = (1.0, 3.0)
    worn: float = 0.15
    paper: tuple[float, float] = (0.65, 1.0)
    visible: float = 16 / 255
    blur: float = 0.9


DEFAULT_RECIPE = DamageRecipe()
MODERATE_RECIPE = DamageRecipe(
    layers=(1, 3),
    opacity=(0.8, 1.0),
    stamp_scale=(0.3, 1.2),
    density=(0.3, 1.5),
    clean=0.0,
    body=(1.5, 3.0),
    worn=0.1,
    paper=(0.75, 1.0),
    visible=20 / 255,
)
"""Damage that one sees at a glance: the damage set, validation, and a part of the training."""
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
        coverage = _layer(h, w, sources, recipe, rng) * uniform(*recipe.opacity, rng)
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


def _layer(h: int, w: int, sources: DamageSources, recipe: DamageRecipe, rng: torch.Generator) -> Tensor:
    """Coverage (1, H, W) of one layer of damage."""
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
        coverage = coverage * strokes.patchiness(*coverage.shape[-2:], rng)
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
    crease, shading = strokes.fold(*lq.shape[-2:], rng)
    shade = shading * uniform(0.02, 0.09, rng)
    crease = crease * uniform(*recipe.opacity, rng)
    lq = _composite((lq + shade).clamp(0, 1), crease, recipe, rng)
    return lq, kept * (1 - crease) * (1 - shade.abs())
