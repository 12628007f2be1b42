"""Break a print: cracks, craquelure, creases, tears."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from training.degradations.fields import smooth_line, smooth_noise
from training.degradations.prints.emulsion import Layer, lift
from training.degradations.sources import PrintSources
from training.randomness import chance, log_uniform, pick, randint, uniform

SHADING = 0.06
"""Most that the wide shading on both sides of a crease changes."""


def cracked(image: Tensor, sources: PrintSources, rng: torch.Generator) -> Layer:
    """Draw cracks 1 to 24 px wide, unevenly so, in places worn away."""
    h, w = image.shape[-2:]
    half_px = log_uniform(0.5, 3.0 if chance(0.8, rng) else 12.0, rng)
    cover = torch.zeros((h, w))
    for _ in range(randint(1, 4, rng)):
        distance = _distance_to(crack_shape(h, w, sources.cracks, rng))
        width = half_px * (1.6 * smooth_noise(h, w, uniform(10, 60, rng), rng) + uniform(-0.5, 0.4, rng))
        cover = torch.maximum(cover, (width - distance + 0.5).clamp(0, 1) * (width > 0.2))
    return lift(image, cover, rng)


def crack_shape(h: int, w: int, shapes: Sequence[Tensor], rng: torch.Generator) -> Tensor:
    """Cut (h, w) out of a crack's shape, zoomed .5 to 3 times, turned and mirrored; uint8, 255 = crack.

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


def crazed(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Draw craquelure: a net of fine cracks where emulsion has dried, in a part of the picture."""
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
    return lift(image, (width - distance + 0.5).clamp(0, 1) * (width > 0), rng)


def creased(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Draw a crease: light beside dark where the print was bent, and broken emulsion along a part of it."""
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
    lifted, alpha = lift(shaded, cover, rng)
    return lifted, 1 - (1 - told) * (1 - alpha)


def torn(image: Tensor, _sources: PrintSources, rng: torch.Generator) -> Layer:
    """Tear it: a ragged gap of 3 to 70 px, wide at one end and mostly closed before the other, white along its rim."""
    h, w = image.shape[-2:]
    across, along = _bent_line(h, w, rng)
    length = float(along.max() - along.min())
    from_end = (along - along.min()) / length * uniform(1, 2.5, rng)
    if chance(0.5, rng):
        from_end = uniform(0.3, 1, rng) - from_end + 0.5
    wander = uniform(5, 60, rng) * (smooth_line(along, uniform(25, 120, rng), rng) - 0.5)
    ragged = uniform(1, 8, rng) * (smooth_noise(h, w, uniform(3, 14, rng), rng) - 0.5)
    half_px = log_uniform(1.5, 35, rng) * (1 - from_end).clamp(0, 1) ** uniform(0.3, 1, rng)
    away = (across + wander).abs() + ragged
    opened = (half_px - away + 0.5).clamp(0, 1) * (half_px > 0.3)
    if chance(0.5, rng):
        return lift(image, opened, rng)
    rim_px = uniform(0.7, 6, rng) * smooth_noise(h, w, uniform(5, 30, rng), rng)
    stripped, outer = lift(image, (half_px + rim_px - away + 0.5).clamp(0, 1) * (half_px > 0.3), rng)
    through, inner = lift(stripped, opened, rng)
    return through, 1 - (1 - outer) * (1 - inner)


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
