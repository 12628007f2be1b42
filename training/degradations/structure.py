"""Fine structure that belongs to a picture: grids, wires, stripes, writing.

Drawn into clean photographs before they are damaged and never labelled, so that a detector of scratches learns to
leave facades, fences, power lines and text alone. Pure: everything is drawn from `rng`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from training.randomness import chance, pick, randint, uniform

LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,-&"


def draw_structure(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Draw one kind of structure over a photograph (3, H, W) in [0, 1]; the result is part of the picture."""
    h, w = gt.shape[-2:]
    image = Image.new("L", (2 * w, 2 * h))
    pick(KINDS, rng)(image, ImageDraw.Draw(image), rng)
    coverage = torch.from_numpy(np.array(image.reduce(2))).float().div_(255)[None]
    colour = torch.rand((3, 1, 1), generator=rng)
    if chance(0.6, rng):
        colour = (colour.mean() > 0.5).float() * 0.7 + 0.3 * colour
    return torch.lerp(gt, colour.expand_as(gt), (coverage * uniform(0.3, 1, rng)).expand_as(gt))


def _grid(image: Image.Image, draw: ImageDraw.ImageDraw, rng: torch.Generator) -> None:
    """Two families of equally spaced lines, as of windows, tiles, fences; slightly turned and converging."""
    for is_upright in (True, False):
        spacing = uniform(8, 80, rng)
        width, lean, spread = randint(1, 8, rng), uniform(-0.25, 0.25, rng), uniform(0.7, 1.3, rng)
        if chance(0.25, rng):
            continue
        reach = max(image.size)
        for index in range(-int(reach / spacing), int(2 * reach / spacing)):
            near, far = index * spacing, index * spacing * spread + lean * reach
            ends = ((near, 0), (far, reach)) if is_upright else ((0, near), (reach, far))
            draw.line(ends, fill=255, width=width)


def _wires(image: Image.Image, draw: ImageDraw.ImageDraw, rng: torch.Generator) -> None:
    """Some smooth cables from border to border, hanging alike."""
    width, sag, slope = randint(1, 6, rng), uniform(0, 0.2, rng), uniform(-0.5, 0.5, rng)
    top, gap = uniform(-0.2, 0.8, rng) * image.height, uniform(6, 60, rng)
    across = torch.linspace(0, 1, 24)
    for index in range(randint(1, 7, rng)):
        down = top + index * gap + image.height * (slope * across + sag * 4 * across * (1 - across))
        points = [(x * image.width, y) for x, y in zip(across.tolist(), down.tolist(), strict=True)]
        draw.line(points, fill=255, width=width, joint="curve")


def _stripes(image: Image.Image, draw: ImageDraw.ImageDraw, rng: torch.Generator) -> None:
    """A patch of parallel bars, as of blinds, railings, brickwork."""
    left, top = uniform(-0.2, 0.7, rng) * image.width, uniform(-0.2, 0.7, rng) * image.height
    length, angle = uniform(0.3, 1, rng) * image.width, uniform(0, math.pi, rng)
    spacing, width = uniform(5, 30, rng), randint(1, 9, rng)
    cos, sin = math.cos(angle), math.sin(angle)
    for index in range(randint(3, 40, rng)):
        x, y = left - sin * spacing * index, top + cos * spacing * index
        draw.line((x, y, x + cos * length, y + sin * length), fill=255, width=width)


def _writing(image: Image.Image, draw: ImageDraw.ImageDraw, rng: torch.Generator) -> None:
    """A few lines of random letters."""
    font = ImageFont.load_default(randint(14, 90, rng))
    x, y = uniform(-0.1, 0.6, rng) * image.width, uniform(0, 0.8, rng) * image.height
    for index in range(randint(1, 5, rng)):
        letters = torch.randint(0, len(LETTERS), (randint(3, 18, rng),), generator=rng).tolist()
        text = "".join(LETTERS[letter] for letter in letters)
        draw.text((x, y + index * 1.3 * font.size), text, fill=255, font=font)  # type: ignore[union-attr]


KINDS = (_grid, _wires, _stripes, _writing)
