"""Surfaces that look like damage: cloth, knitting, nets, facades. Each is one piece that is repeated, bent and lit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.degradations.fields import clouds
from training.degradations.lookalikes.layer import Layer, any_colour, region
from training.randomness import chance, randint, uniform


def cloth(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw plain weave, twill or herringbone, its threads in up to three colours."""
    rows, columns = _places(h, w, rng)
    pitch = uniform(2.5, 9, rng)
    row, column = (rows / pitch).floor(), (columns / pitch).floor()
    period = randint(2, 5, rng)
    side = 1 - 2 * (column // randint(6, 20, rng) % 2) if chance(0.4, rng) else 1
    over = ((row + side * column) % period) < period // 2
    colours = torch.lerp(any_colour(rng), torch.rand((3, 3, 1, 1), generator=rng), uniform(0, 0.8, rng))
    band = randint(3, 16, rng)
    thread = torch.where(over, column, row) // band % 3
    round_ = (math.pi * torch.where(over, columns, rows) / pitch).sin().abs()
    shade = 1 - uniform(0.2, 0.7, rng) * (1 - round_)
    return colours[thread.long()].squeeze((3, 4)).permute(2, 0, 1) * shade, region(h, w, rng)


def knitting(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw rows of stitches, each of two leaning loops; ribs at times."""
    rows, columns = _places(h, w, rng)
    wide, high = uniform(6, 26, rng), uniform(5, 18, rng)
    across = columns % wide / wide - 0.5
    lean = uniform(0.3, 1.4, rng) * wide / high
    loops = (math.pi * (rows / high - lean * across.abs())).sin().abs()
    gaps = (math.pi * across).cos().abs() ** uniform(0.3, 1, rng)
    if chance(0.3, rng):
        gaps = gaps * (0.6 + 0.4 * (columns / (wide * randint(2, 5, rng)) * math.pi).sin().abs())
    shade = 1 - uniform(0.3, 0.8, rng) * (1 - loops * gaps)
    return any_colour(rng) * shade * (1 + 0.1 * clouds(h, w, 2, rng)), region(h, w, rng)


def net(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw a net, a wire fence, lace: meshes of thin threads, at times with filled ones between."""
    rows, columns = _places(h, w, rng)
    mesh, thick = uniform(6, 40, rng), uniform(0.8, 3, rng)
    first, second = (columns + rows) / mesh, (columns - uniform(0.6, 1.6, rng) * rows) / mesh
    wave = uniform(0, 0.25, rng)
    first, second = first + wave * (math.tau * second).sin(), second + wave * (math.tau * first).sin()
    near = torch.minimum((first - first.round()).abs(), (second - second.round()).abs()) * mesh
    threads = (thick - near + 0.5).clamp(0, 1)
    if chance(0.5, rng):
        filled = _field_of(first, second, rng) < uniform(0.05, 0.4, rng)
        threads = torch.maximum(threads, 0.8 * filled)
    return any_colour(rng) * (1 + 0.15 * clouds(h, w, 3, rng)), threads[None] * region(h, w, rng)


def facade(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw windows, bricks, tiles, a chessboard: the same piece again and again, seen at an angle."""
    rows, columns = _places(h, w, rng, bend=0)
    away = 1 + uniform(-0.6, 0.6, rng) * columns / w
    rows = (rows - uniform(0, h, rng)) * away
    high, wide = uniform(4, 50, rng), uniform(4, 50, rng)
    row = (rows / high).floor()
    shift = 0.5 * (row % 2) if chance(0.4, rng) else 0
    row_in, column_in = rows / high - row, (columns / wide + shift) % 1
    if chance(0.25, rng):
        inside = ((row + (columns / wide).floor()) % 2).float()
    else:
        joint = uniform(0.06, 0.4, rng)
        inside = ((row_in > joint) & (column_in > joint)).float()
    own = 1 + uniform(0, 0.5, rng) * (_field_of(rows / high, columns / wide, rng) - 0.5)
    return torch.lerp(any_colour(rng), any_colour(rng) * own, inside), region(h, w, rng)


def _places(h: int, w: int, rng: torch.Generator, bend: float = 3.0) -> tuple[Tensor, Tensor]:
    """Rows and columns (H, W) in px, turned, and bent like cloth by some px."""
    y, x = torch.meshgrid(torch.arange(float(h)), torch.arange(float(w)), indexing="ij")
    angle = uniform(-math.pi, math.pi, rng) if chance(0.5, rng) else uniform(-0.1, 0.1, rng)
    cos, sin = math.cos(angle), math.sin(angle)
    bends = [uniform(0, bend, rng) * clouds(h, w, uniform(30, 120, rng), rng)[0] for _ in range(2)]
    return cos * y + sin * x + bends[0], cos * x - sin * y + bends[1]


def _field_of(rows: Tensor, columns: Tensor, rng: torch.Generator) -> Tensor:
    """A random value in [0, 1) for each unit square of places (H, W)."""
    values = torch.rand(997, generator=rng)
    return values[((rows.floor() * 131 + columns.floor() * 17) % 997).long()]
