"""Cut, scale and frame whole pictures, and draw plain scenes; all drawn from `rng`.

Images are (3, H, W) in [0, 1] unless said.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from training.degradations.fields import smooth_noise
from training.randomness import chance, randint, uniform

MIDDLE_PX = 380
"""Middle of the sizes drawn by `any_side`."""


def bordered(image: Tensor, rng: torch.Generator) -> Tensor:
    """Put the image into a frame of paper, mount or scanner bed; as in an instant print it may be wider below."""
    _, h, w = image.shape
    side = round(uniform(0.01, 0.12, rng) * min(h, w)) + 1
    below = round(side * uniform(1, 4, rng)) if chance(0.25, rng) else side
    colour = _frame_colour(rng)
    framed = colour.expand(3, h + side + below, w + 2 * side).clone()
    if chance(0.5, rng):
        framed += uniform(0, 0.03, rng) * torch.randn(framed.shape, generator=rng)
    framed[:, side : side + h, side : side + w] = image
    return framed.clamp(0, 1)


def _frame_colour(rng: torch.Generator) -> Tensor:
    draw = uniform(0, 1, rng)
    if draw < 0.4:
        return torch.full((3, 1, 1), uniform(0.88, 1, rng))
    if draw < 0.65:
        return torch.full((3, 1, 1), uniform(0, 0.12, rng))
    paper = torch.tensor([1.0, uniform(0.9, 1, rng), uniform(0.7, 0.95, rng)]).view(3, 1, 1)
    return uniform(0.5, 1, rng) * paper


def any_part(photo: Tensor, rng: torch.Generator) -> Tensor:
    """Cut out a part of a photograph of any type, flipped at times; mostly nearly all of it."""
    _, h, w = photo.shape
    share = uniform(0.8, 1, rng) if chance(0.6, rng) else uniform(0.4, 1, rng)
    high, wide = (max(min(96, side), round(side * share)) for side in (h, w))
    top, left = randint(0, h - high + 1, rng), randint(0, w - wide + 1, rng)
    part = photo[:, top : top + high, left : left + wide]
    return part.flip(-1) if chance(0.5, rng) else part


def scaled(image: Tensor, long_side_px: int) -> Tensor:
    """Scale the image to a long side, but to at most 1.6 times its size, and to no short side below 96 px."""
    _, h, w = image.shape
    factor = max(min(long_side_px / max(h, w), 1.6), 96 / min(h, w))
    size = (round(h * factor), round(w * factor))
    return F.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]


def any_size(rng: torch.Generator) -> tuple[int, int]:
    """Draw the height and width of a picture, in px."""
    long_side, ratio = any_side(rng), uniform(0.55, 1, rng)
    sides = (long_side, round(long_side * ratio))
    return sides if chance(0.5, rng) else sides[::-1]


def any_side(rng: torch.Generator) -> int:
    """Draw the length of a longer side, in px."""
    return round(MIDDLE_PX * math.exp(uniform(-0.6, 0.6, rng)))


def soft_scene(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Draw a photograph of hardly anything, (3, H, W): soft colours, with some plain rectangles before them."""
    cell_px = uniform(0.15, 0.8, rng) * max(h, w)
    scene = torch.stack([smooth_noise(h, w, cell_px, rng) for _ in range(3)])
    for _ in range(randint(0, 9, rng)):
        high, wide = randint(h // 12, h // 3, rng), randint(w // 12, w // 3, rng)
        top, left = randint(0, h - high, rng), randint(0, w - wide, rng)
        thing = torch.rand((3, 1, 1), generator=rng) + uniform(0, 0.1, rng) * scene[:, :high, :wide]
        scene[:, top : top + high, left : left + wide] = thing
    return scene
