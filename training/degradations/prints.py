"""Damage of prints: cracks, craquelure, creases, lost corners and worn edges, flaked emulsion, specks, ink.

Film is scratched and dusty; a print is handled. It breaks where it was bent, loses emulsion in flakes, its corners and
edges wear, and what shows below is white fibre, the paper's own colour, or dirt. Shapes of cracks are real
(`load_crack_shapes`), everything else is drawn.

Pure and seeded: everything is drawn from the `rng` that is given. Images are (3, H, W) in [0, 1], coverages (H, W) in
[0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.degradations import strokes
from training.degradations.sources import read_shapes
from training.randomness import chance, log_uniform, pick, randint, uniform, weighted_index

SHADING = 0.06
"""Most that the wide shading on both sides of a crease changes."""
VISIBLE = 10 / 255
"""A smaller change, in all channels, is none: such a pixel keeps its value and counts as sound."""
FIBRE = 0.07
"""Standard deviation of the paper's fibres where the emulsion is gone."""


@dataclass(frozen=True, slots=True)
class PrintSources:
    """Shapes of real cracks: (320, 480) each, uint8, 255 = crack."""

    cracks: tuple[Tensor, ...]


def load_crack_shapes(root: Path, *, held_out: bool, validation: bool = False) -> PrintSources:
    """Read the shapes of cracks in `<root>/domain/crack_shapes`; parts are chosen as in `load_damage_sources`.

    Raises:
        FileNotFoundError: the folder holds nothing.
    """
    return PrintSources(
        read_shapes(root / "domain" / "crack_shapes", held_out=held_out, validation=validation)
    )


def damage_print(gt: Tensor, sources: PrintSources, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Damage a print in one to four ways.

    Returns:
        lq: (3, H, W) in [0, 1], not quantised.
        alpha: (1, H, W) in [0, 1], how strongly each pixel was overwritten; where it is 0, lq equals gt but for the
            wide, soft shading of creases, which is no damage.
    """
    h, w = gt.shape[-2:]
    lq, kept = gt, torch.ones((1, h, w))
    for _ in range(randint(1, 5, rng)):
        kind = weighted_index(KIND_WEIGHTS, rng)
        lq, alpha = KINDS[kind](lq, sources, rng)
        kept = kept * (1 - alpha)
    changed = (lq - gt).abs().amax(0, keepdim=True) >= VISIBLE
    return torch.where(changed, lq.clamp(0, 1), gt), torch.where(changed, 1 - kept, 0.0)


Layer = tuple[Tensor, Tensor]
"""A picture (3, H, W) after a layer of damage, and the layer's alpha (1, H, W)."""


def _cracked(image: Tensor, sources: PrintSources, rng: torch.Generator) -> Layer:
    """Cracks 1 to 24 px wide, unevenly so, in places worn away."""
    h, w = image.shape[-2:]
    half_px = log_uniform(0.5, 3.0 if chance(0.8, rng) else 12.0, rng)
    cover = torch.zeros((h, w))
    for _ in range(randint(1, 4, rng)):
        distance = _distance_to(crack_shape(h, w, sources.cracks, rng))
        width = half_px * (1.6 * smooth_noise(h, w, uniform(10, 60, rng), rng) + uniform(-0.5, 0.4, rng))
        cover = torch.maximum(cover, (width - distance + 0.5).clamp(0, 1) * (width > 0.2))
    return _lift(image, cover, rng)


def crack_shape(h: int, w: int, shapes: Sequence[Tensor], rng: torch.Generator) -> Tensor:
    """A crop (h, w) of a crack's shape, zoomed .5 to 3 times, turned and mirrored; uint8, 255 = crack.

    Of some places one is taken where there is a crack.
    """
    shape = pick(shapes, rng)
    shape = shape.rot90(randint(0, 4, rng), (0, 1))
    if chance(0.5, rng):
        shape = shape.flip(1)
    zoom = max(log_uniform(0.5, 3, rng), h / shape.shape[0], w / shape.shape[1])
    high, wide = (min(math.ceil(side / zoom), most) for side, most in zip((h, w), shape.shape, strict=True))
    for _ in range(6):
        top, left = randint(0, shape.shape[0] - high + 1, rng), randint(0, shape.shape[1] - wide + 1, rng)
        crop = shape[top : top + high, left : left + wide]
        if int(crop.count_nonzero()) > 0.3 * max(high, wide):
            break
    zoomed = cv2.resize(crop.numpy(), (w, h), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(np.where(zoomed > 127, 255, 0).astype(np.uint8))


def _crazed(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Craquelure: a net of fine cracks where emulsion has dried, in a part of the picture."""
    h, w = image.shape[-2:]
    cell_px = log_uniform(7, 60, rng)
    count = min(400, max(6, round(1.5 * h * w / cell_px**2)))
    points = torch.rand((count, 2), generator=rng) * torch.tensor([h * 1.2, w * 1.2]) - torch.tensor(
        [0.1 * h, 0.1 * w]
    )
    rows, columns = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
    jitter = cell_px / 4
    rows = rows + jitter * (smooth_noise(h, w, cell_px / 3, rng) - 0.5)
    columns = columns + jitter * (smooth_noise(h, w, cell_px / 3, rng) - 0.5)
    places = torch.stack([rows, columns], 2).view(-1, 2)
    nearest = torch.cdist(places, points).topk(2, dim=1, largest=False).values.view(h, w, 2)
    distance = (nearest[..., 1] - nearest[..., 0]) / 2
    width = uniform(0.3, 1.3, rng) * (
        2 * smooth_noise(h, w, uniform(20, 90, rng), rng) - uniform(0, 0.9, rng)
    )
    return _lift(image, (width - distance + 0.5).clamp(0, 1) * (width > 0), rng)


def _creased(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """A crease: light beside dark where the print was bent, and broken emulsion along a part of it."""
    h, w = image.shape[-2:]
    across, along = _bent_line(h, w, rng)
    width_px = log_uniform(0.7, 5, rng)
    worn = (1.8 * smooth_line(along, uniform(8, 60, rng), rng) - uniform(-0.2, 0.8, rng)).clamp(0, 1)
    relief = uniform(0.04, 0.3, rng) * worn
    shift = width_px * uniform(0.4, 1.5, rng) * (1 if chance(0.5, rng) else -1)
    shade = relief * (_bump(across, width_px) - uniform(0.3, 1, rng) * _bump(across - shift, width_px))
    wide = uniform(0.01, SHADING, rng) * torch.tanh(across / width_px) * _bump(across, 6 * width_px)
    shaded = image + (shade + wide)[None]
    told = (shade.abs() * 3).clamp(0, 1)[None]
    if chance(0.4, rng):
        return shaded, told
    broken = uniform(0.2, 0.9, rng) * (
        2.2 * smooth_line(along, uniform(3, 30, rng), rng) - uniform(0.3, 1.2, rng)
    )
    half_px = broken * width_px * (0.4 + smooth_noise(h, w, 4, rng))
    cover = (half_px - across.abs() + 0.5).clamp(0, 1) * (half_px > 0.1)
    lifted, alpha = _lift(shaded, cover, rng)
    return lifted, 1 - (1 - told) * (1 - alpha)


def _cut(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """A lost corner, or a worn or deckled edge; what lies below the print shows."""
    h, w = image.shape[-2:]
    rows, columns = torch.arange(h).float()[:, None], torch.arange(w).float()[None]
    inward = [rows, h - 1 - rows, columns, w - 1 - columns]
    first, second = randint(0, 2, rng), randint(2, 4, rng)
    if chance(0.5, rng):
        lean = uniform(0.5, 2, rng)
        depth, reach = inward[first] + lean * inward[second], uniform(6, 60, rng)
    else:
        depth, reach = inward[first if chance(0.5, rng) else second].expand(h, w), uniform(0.5, 6, rng)
    ragged = 0.4 * reach * (smooth_noise(h, w, uniform(8, 40, rng), rng) - 0.5)
    ragged = ragged + uniform(0.5, 5, rng) * (smooth_noise(h, w, uniform(2, 6, rng), rng) - 0.5)
    cover = (reach + 2 * ragged - depth + 0.5).clamp(0, 1)
    return _lift(image, cover, rng)


def _flaked(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Patches from which the emulsion has gone, with ragged rims."""
    h, w = image.shape[-2:]
    field = smooth_noise(h, w, uniform(8, 60, rng), rng) + uniform(0.1, 0.6, rng) * smooth_noise(
        h, w, uniform(2, 6, rng), rng
    )
    if chance(0.5, rng):
        field = field + 0.7 * smooth_noise(h, w, 80, rng)
    level = torch.quantile(field, 1 - uniform(0.002, 0.09, rng))
    return _lift(image, ((field - level) * uniform(8, 40, rng) + 0.5).clamp(0, 1), rng)


def _speckled(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Specks of .5 to 6 px by the dozen or by the hundred, bright, dark or both, in places denser."""
    h, w = image.shape[-2:]
    count = round(log_uniform(4, 250, rng) * h * w / 192**2)
    cover = strokes.dust(h, w, max(2, count), rng)[0]
    if chance(0.6, rng):
        cover = cover * (smooth_noise(h, w, uniform(15, 80, rng), rng) > uniform(0.3, 0.6, rng))
    if chance(0.3, rng):
        cover = torch.maximum(cover, strokes.hairs(h, w, randint(1, 6, rng), rng)[0])
    return _lift(image, cover, rng)


def _inked(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """A few blots with hard rims: ink, rust, mould, or drops that took the tone away."""
    h, w = image.shape[-2:]
    rows, columns = torch.arange(h).float()[:, None], torch.arange(w).float()[None]
    cover = torch.zeros((h, w))
    for _ in range(randint(1, 6, rng)):
        radius = log_uniform(1.5, 18, rng)
        distance = torch.hypot(
            rows - uniform(0, h, rng), (columns - uniform(0, w, rng)) * uniform(0.6, 1.6, rng)
        )
        ragged = radius * (0.5 + smooth_noise(h, w, max(2.0, radius / 2), rng))
        blot = ((ragged - distance) / uniform(0.5, 2.5, rng) + 0.5).clamp(0, 1)
        if chance(0.25, rng):  # a drop that dried leaves a ring
            blot = blot * (distance > ragged - uniform(1, 4, rng))
        cover = torch.maximum(cover, blot)
    return _lift(image, cover, rng)


KINDS: tuple[Callable[[Tensor, PrintSources, torch.Generator], Layer], ...] = (
    _cracked, _crazed, _creased, _cut, _flaked, _speckled, _inked,
)  # fmt: skip
KIND_WEIGHTS = (0.28, 0.08, 0.18, 0.1, 0.12, 0.17, 0.07)


def _lift(image: Tensor, cover: Tensor, rng: torch.Generator) -> Layer:
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


def smooth_noise(h: int, w: int, cell_px: float, rng: torch.Generator) -> Tensor:
    """A smooth random field (h, w), [0, 1], whose bumps are about `cell_px` wide."""
    coarse = torch.rand((1, 1, 3 + int(h / cell_px), 3 + int(w / cell_px)), generator=rng)
    return F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)[0, 0].clamp(0, 1)


def smooth_line(along: Tensor, cell_px: float, rng: torch.Generator) -> Tensor:
    """Smooth random values, [0, 1], that depend on the position `along` (H, W) a line alone."""
    length = math.ceil(float(along.max() - along.min())) + 1
    values = smooth_noise(1, length, cell_px, rng)[0]
    return values[(along - along.min()).round().long()]


def _bent_line(h: int, w: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Signed distance (H, W) from a nearly straight line through the picture, and position along it."""
    turn = (
        randint(0, 2, rng) * math.pi / 2 + uniform(-0.25, 0.25, rng)
        if chance(0.6, rng)
        else uniform(0, math.pi, rng)
    )
    cos, sin = math.cos(turn), math.sin(turn)
    rows = torch.arange(h).float()[:, None] - uniform(0.1, 0.9, rng) * h
    columns = torch.arange(w).float()[None] - uniform(0.1, 0.9, rng) * w
    along, across = cos * columns + sin * rows, cos * rows - sin * columns
    sway = uniform(0, 6, rng) * (smooth_line(along, uniform(15, 60, rng), rng) - 0.5)
    return across + sway, along


def _bump(distance: Tensor, width_px: float) -> Tensor:
    return torch.exp(-0.5 * (distance / width_px) ** 2)


def _distance_to(shape: Tensor) -> Tensor:
    """Distance in px of each pixel from the nearest that is 255 in `shape` (H, W)."""
    if not bool((shape == 255).any()):
        return torch.full(shape.shape, 1e3)
    return torch.from_numpy(cv2.distanceTransform(255 - shape.numpy(), cv2.DIST_L2, 5))
