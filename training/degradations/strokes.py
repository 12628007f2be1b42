"""Procedural defects drawn as coverage maps: hairs, scratches, tears, dust, folds.

Every function draws from the `rng` it is given and returns (1, H, W) in [0, 1]: the share of each pixel that the
defect covers. Shapes are drawn at twice the size and averaged down, which gives them soft edges.
"""

from __future__ import annotations

import math

import torch
from PIL import Image
from torch import Tensor

from training.degradations.canvas import OVERSAMPLING, coverage_of, new_canvas
from training.randomness import chance, randint, uniform


def dust(h: int, w: int, count: int, rng: torch.Generator) -> Tensor:
    """Draw specks: ellipses and small polygons of .5 to 3.5 px radius, most of them small."""
    image, draw = new_canvas(h, w)
    for x, y, size, shape, *angles in torch.rand((count, 9), generator=rng).tolist():
        radius = OVERSAMPLING * (0.5 + 3 * size**3)
        centre_x, centre_y = x * image.width, y * image.height
        if shape < 0.5:
            tall = radius * (0.6 + 0.4 * angles[0])
            draw.ellipse((centre_x - radius, centre_y - tall, centre_x + radius, centre_y + tall), fill=255)
        else:
            corners = [2 * math.pi * (i + angle) / 5 for i, angle in enumerate(angles)]
            draw.polygon(
                [(centre_x + radius * math.cos(a), centre_y + radius * math.sin(a)) for a in corners],
                fill=255,
            )
    return coverage_of(image)


def hairs(h: int, w: int, count: int, rng: torch.Generator) -> Tensor:
    """Draw curled fibres, 10 to 150 px long, .5 to 2 px thick."""
    image, draw = new_canvas(h, w)
    for _ in range(count):
        steps = randint(10, 30, rng)
        stride = OVERSAMPLING * uniform(1, 5, rng)
        turns = torch.randn(steps, generator=rng).cumsum(0) * uniform(0.05, 0.3, rng)
        angles = uniform(0, 2 * math.pi, rng) + turns
        start = torch.tensor([uniform(0, image.width, rng), uniform(0, image.height, rng)])
        points = start + (torch.stack([angles.cos(), angles.sin()], 1) * stride).cumsum(0)
        draw.line(_corners(points), fill=randint(150, 256, rng), width=randint(1, 5, rng), joint="curve")
    return coverage_of(image)


def scratches(h: int, w: int, count: int, rng: torch.Generator) -> Tensor:
    """Draw long thin lines as a projector leaves them: 1 to 4 px, mostly upright, wavering, fading and broken."""
    image, draw = new_canvas(h, w)
    turn = 0.0 if chance(0.6, rng) else uniform(0, math.pi, rng)
    for _ in range(count):
        points = _wavering_line(image, turn + uniform(-0.08, 0.08, rng), rng)
        strengths = _broken(len(points), rng)
        width = 1 + round(OVERSAMPLING * 3.2 * uniform(0, 1, rng) ** 2)
        corners = _corners(points)
        for start, end, strength in zip(corners[:-1], corners[1:], strengths.tolist(), strict=False):
            if strength > 0:
                draw.line((start, end), fill=round(255 * strength), width=width)
    return coverage_of(image)


def tear(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Draw a wide, jagged gap that runs in from the border."""
    image, draw = new_canvas(h, w)
    steps = randint(8, 24, rng)
    length = uniform(0.15, 0.8, rng) * min(image.size)
    start, direction = _border_start(image, rng)
    along = direction + torch.randn(steps, generator=rng) * 0.35
    centre = start + (torch.stack([along.cos(), along.sin()], 1) * (length / steps)).cumsum(0)
    widths = uniform(1.5, 6, rng) * OVERSAMPLING * torch.linspace(1, 0.05, steps)
    jitter = 0.4 + torch.rand((2, steps), generator=rng)
    normal = torch.stack([-along.sin(), along.cos()], 1)
    left = centre + normal * (widths * jitter[0])[:, None]
    right = centre - normal * (widths * jitter[1])[:, None]
    draw.polygon(_corners(torch.cat([left, right.flip(0)])), fill=255)
    return coverage_of(image)


def fold(h: int, w: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a crease across the whole picture, and the signed shading on its two sides.

    Returns:
        (1, H, W) coverage of the cracked crease, and (1, H, W) shading in [-1, 1] that falls off within some
        ten pixels: one side of a fold catches light, the other lies in shadow.
    """
    image, draw = new_canvas(h, w)
    turn = randint(0, 2, rng) * math.pi / 2 + uniform(-0.2, 0.2, rng)
    points = _wavering_line(image, turn, rng, whole=True)
    corners, strengths = _corners(points), _broken(len(points), rng).clamp_min(uniform(0, 0.6, rng))
    width = randint(2, 6, rng)
    for start, end, strength in zip(corners[:-1], corners[1:], strengths.tolist(), strict=False):
        draw.line((start, end), fill=round(255 * strength), width=width)
    first, last = points[0] / OVERSAMPLING, points[-1] / OVERSAMPLING
    along = (last - first) / (last - first).norm()
    rows, columns = torch.arange(h, dtype=torch.float32), torch.arange(w, dtype=torch.float32)
    distance = (columns[None, :] - first[0]) * along[1] - (rows[:, None] - first[1]) * along[0]
    shading = torch.exp(-distance.abs() / uniform(3, 12, rng)) * distance.clamp(-1, 1)
    return coverage_of(image), shading[None]


def patchiness(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Draw a smooth random field (1, H, W) in [0, 1] by which a layer is worn off in places."""
    cell = randint(8, 48, rng)
    coarse = torch.rand((1, 1, 2 + h // cell, 2 + w // cell), generator=rng)
    field = torch.nn.functional.interpolate(coarse, (h, w), mode="bilinear", align_corners=True)
    return (2.5 * field[0] - 0.5).clamp(0, 1)


def _corners(points: Tensor) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points.tolist()]


def _wavering_line(image: Image.Image, turn: float, rng: torch.Generator, *, whole: bool = False) -> Tensor:
    """Points (K, 2) of a nearly straight line; upright at `turn` 0, through a random place of the picture."""
    half = math.hypot(*image.size) / 2
    reach = 2 * half if whole else half * uniform(0.2, 2, rng)
    middle = torch.tensor([uniform(0, image.width, rng), uniform(0, image.height, rng)])
    steps = max(8, round(reach / (6 * OVERSAMPLING)))
    along = torch.linspace(-reach, reach, steps)
    across = torch.randn(steps, generator=rng).cumsum(0) * uniform(0, 1.2, rng)
    across = across + along**2 * (uniform(-1, 1, rng) * 0.05 / half)
    cos, sin = math.cos(turn), math.sin(turn)
    return middle + torch.stack([across * cos - along * sin, across * sin + along * cos], 1)


def _broken(steps: int, rng: torch.Generator) -> Tensor:
    """Strengths (steps,) in [0, 1] along a line: smooth, with gaps in most lines."""
    if chance(0.3, rng):
        return torch.full((steps,), uniform(0.5, 1, rng))
    knots = torch.rand((1, 1, max(2, steps // randint(2, 8, rng))), generator=rng)
    smooth = torch.nn.functional.interpolate(knots, steps, mode="linear", align_corners=True)
    return (smooth[0, 0] * 2 - uniform(0, 1, rng)).clamp(0, 1)


def _border_start(image: Image.Image, rng: torch.Generator) -> tuple[Tensor, float]:
    """A point on one of the four borders and a direction that leads inwards."""
    side, place = randint(0, 4, rng), uniform(0.1, 0.9, rng)
    x, y = ((place, 0.0), (1.0, place), (place, 1.0), (0.0, place))[side]
    inwards = (math.pi / 2, math.pi, -math.pi / 2, 0.0)[side]
    return torch.tensor([x * image.width, y * image.height]), inwards + uniform(-0.6, 0.6, rng)
