"""Make holes filled with anything at all, as callers mark them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.degradations import strokes
from training.degradations.fields import normal_field
from training.randomness import chance, pick, randint, uniform


def make_holes(gt: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fill strokes, boxes or blobs of an image (3, H, W) with noise, a colour, or the mirrored image.

    Returns:
        lq: (3, H, W).
        hole_mask: (1, H, W), exact.
    """
    h, w = gt.shape[-2:]
    hole_mask = pick((_strokes, _boxes, _blobs), rng)(h, w, rng)
    kind = randint(0, 5, rng)
    if kind == 0:
        garbage = torch.rand(gt.shape, generator=rng)
    elif kind == 1:
        garbage = gt.flip(-1)
    elif kind == 2:
        garbage = random_pixel(gt, rng).expand_as(gt)
    elif kind == 3:
        garbage = torch.full_like(gt, (0.0, 0.5, 1.0)[randint(0, 3, rng)])
    else:
        garbage = torch.rand((3, 1, 1), generator=rng).expand_as(gt)
    return torch.where(hole_mask > 0, garbage, gt), hole_mask


def random_pixel(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Pick a colour of the image, (3, 1, 1)."""
    y, x = (randint(0, side, rng) for side in gt.shape[-2:])
    return gt[:, y : y + 1, x : x + 1]


def _strokes(h: int, w: int, rng: torch.Generator) -> Tensor:
    draw = strokes.scratches if chance(0.5, rng) else strokes.hairs
    radius = randint(0, 4, rng)
    drawn = (draw(h, w, randint(1, 6, rng), rng) > 0.2).float()
    return F.max_pool2d(drawn[None], 2 * radius + 1, 1, radius)[0]


def _boxes(h: int, w: int, rng: torch.Generator) -> Tensor:
    alpha = torch.zeros((1, h, w))
    for _ in range(randint(1, 5, rng)):
        sides = randint(4, h // 3, rng), randint(4, w // 3, rng)
        top, left = (randint(0, side - part, rng) for side, part in zip((h, w), sides, strict=True))
        alpha[:, top : top + sides[0], left : left + sides[1]] = 1
    return alpha


def _blobs(h: int, w: int, rng: torch.Generator) -> Tensor:
    field = normal_field(h, w, randint(8, 33, rng), rng)
    return (field > field.flatten().quantile(uniform(0.85, 0.97, rng))).float()
