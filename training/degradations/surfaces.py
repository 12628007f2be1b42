"""Lay surfaces over a picture: grain, the mosaic of early colour plates, embossed paper, a printer's screen.

All of it is wider than a pixel, so that neighbours share it. Every function is pure: it draws from the `rng` it is
given. Images are (C, H, W) in [0, 1]; results are not clamped. A strength is about the standard deviation of what is
added, at mid-grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from training.data import scaled_patch
from training.degradations.kernels import blur_mirrored
from training.randomness import chance, randint, uniform

SQUARE, HEXAGONAL = (0.0, math.pi / 2), (0.0, math.pi / 3, 2 * math.pi / 3)
"""Directions of the waves of which linen and honeycomb are made."""
STARCH = torch.tensor([[0.90, 0.45, 0.25], [0.40, 0.70, 0.30], [0.40, 0.35, 0.80]])
"""Colours of an autochrome's grains: orange, green, violet."""
SCREEN_ANGLES = (math.radians(15), math.radians(75), 0.0)
"""Angles of the screens of cyan, magenta and yellow; black is at 45 degrees."""


def surface(gt: Tensor, papers: Sequence[Tensor], rng: torch.Generator) -> Tensor:
    """Put an image (3 or 1 channels) on one of these surfaces, at a strength of 2 to 35 of 255.

    Args:
        papers: photographs of paper, uint8 (3, H, W).
    """
    strength = uniform(2.0, 35.0, rng) / 255
    kind = uniform(0.0, 1.0, rng)
    if kind < 0.45:
        return grain(gt, strength, uniform(1.0, 4.5, rng), rng)
    if kind < 0.6:
        pattern = photographed_paper(papers, gt.shape[-1], rng)
        return embossed(gt, strength, pattern, rng)
    if kind < 0.75:
        pattern = woven_paper(gt.shape[-2:], uniform(3.0, 12.0, rng), rng)
        return embossed(gt, strength, pattern, rng)
    if kind < 0.88 and len(gt) == 3:
        return mosaic(gt, strength, uniform(1.2, 6.0, rng), rng)
    return screened(gt, 2 * strength, uniform(3.0, 8.0, rng), rng)


def grain(gt: Tensor, strength: float, size_px: float, rng: torch.Generator) -> Tensor:
    """Add grain `size_px` wide at half height, grey or partly coloured, by the density of the picture.

    Args:
        size_px: 1 to 5.
    """
    colour = 0.0 if len(gt) == 1 or chance(0.4, rng) else uniform(0.0, 1.0, rng)
    common = _clumps((1, *gt.shape[-2:]), size_px, rng)
    own = _clumps(tuple(gt.shape), size_px * uniform(0.7, 1.3, rng), rng)
    field = math.sqrt(1 - colour) * common + math.sqrt(colour) * own
    return gt + strength * _by_density(gt, rng) * field


def embossed(gt: Tensor, strength: float, pattern: Tensor, rng: torch.Generator) -> Tensor:
    """Emboss a pattern (1, H, W) of standard deviation 1: it shades the paper and shines on it."""
    shading = uniform(0.0, 1.0, rng)
    amount = shading * 2 * gt + (1 - shading)
    tint = 1 + 0.15 * torch.randn((len(gt), 1, 1), generator=rng) if chance(0.3, rng) else 1.0
    return gt + strength * amount * tint * pattern


def photographed_paper(papers: Sequence[Tensor], side_px: int, rng: torch.Generator) -> Tensor:
    """Cut out the relief of real paper, (1, side_px, side_px), without what is wider than some 16 px."""
    patch = scaled_patch(papers, side_px, (1.0, 4.0), rng).mean(0, keepdim=True)
    return _normalised(patch - blur_mirrored(patch, 8.0))


def woven_paper(hw: Sequence[int], period_px: float, rng: torch.Generator) -> Tensor:
    """Draw silk, linen or honeycomb, lit from one side: (1, H, W), never quite regular."""
    kind = randint(0, 3, rng)
    directions = (HEXAGONAL, SQUARE, (uniform(0.2, 1.2, rng),))[kind]
    stretch = uniform(0.8, 1.25, rng) if directions is SQUARE else 1.0
    y, x = _warped_grid(hw, period_px, rng)
    height = torch.zeros(1, *hw)
    for index, direction in enumerate(directions):
        period = period_px * stretch**index
        height += _wave(x, y, period, direction, rng)
    if chance(0.5, rng):  # ridges with flat ground, or pits
        height = torch.sigmoid(height * uniform(1.0, 4.0, rng) * (1 if chance(0.5, rng) else -1))
    height = height * (1 + uniform(0.0, 0.5, rng) * _clumps((1, *hw), 3 * period_px, rng))
    return _normalised(_lit(height, uniform(0.0, 2 * math.pi, rng)) if chance(0.7, rng) else height)


def mosaic(gt: Tensor, strength: float, size_px: float, rng: torch.Generator) -> Tensor:
    """Lay the starch grains of an autochrome, or the ruled lines and squares of a Dufaycolor, over (3, H, W)."""
    hw = gt.shape[-2:]
    cells = _starch(hw, size_px, rng) if chance(0.6, rng) else _ruled(hw, size_px, rng)
    colours = STARCH + 0.08 * torch.randn(STARCH.shape, generator=rng)
    pattern = torch.einsum("khw,kc->chw", cells, colours)
    pattern = blur_mirrored(pattern, uniform(0.3, 0.7, rng))
    pattern = _normalised(pattern)
    shading = uniform(0.3, 1.0, rng)
    return gt + strength * (shading * 2 * gt + 1 - shading) * pattern


def screened(gt: Tensor, strength: float, period_px: float, rng: torch.Generator) -> Tensor:
    """Print with a screen of dots and scan: a grid of its own for every channel, softened.

    Args:
        strength: standard deviation that dots of mid-grey have at most; soft dots have less.
    """
    hw, turn = gt.shape[-2:], uniform(0.0, math.pi, rng)
    y, x = torch.meshgrid(torch.arange(hw[0]) * 1.0, torch.arange(hw[1]) * 1.0, indexing="ij")
    angles = (math.pi / 4,) if len(gt) == 1 or chance(0.3, rng) else SCREEN_ANGLES
    spots = torch.stack([_wave(x, y, period_px, turn + angle, rng) for angle in angles])
    spots += torch.stack([_wave(x, y, period_px, turn + angle + math.pi / 2, rng) for angle in angles])
    hardness = uniform(2.0, 12.0, rng)
    dots = torch.sigmoid(hardness * (gt.clamp(0, 1) - 0.5 - spots / 4))
    dots = blur_mirrored(dots, uniform(0.1, 0.3, rng) * period_px)
    pattern = dots - blur_mirrored(dots, 0.6 * period_px)  # the picture's own tone stays
    return gt + min(1.0, strength / float(pattern.std().clamp_min(1e-3))) * pattern


def _clumps(shape: Sequence[int], size_px: float, rng: torch.Generator) -> Tensor:
    """Noise (C, H, W) of standard deviation 1 whose clumps are so wide; sometimes without its slowest part."""
    spread = size_px / 2.355
    white = torch.randn(tuple(shape), generator=rng)
    field = blur_mirrored(white, spread)
    if chance(0.4, rng):
        field = field - blur_mirrored(white, 2 * spread)
    return _normalised(field)


def _by_density(gt: Tensor, rng: torch.Generator) -> Tensor:
    """How much grain there is (1, H, W): as much everywhere, or most in mid-tones, shadows or lights."""
    luma = gt.mean(0, keepdim=True).clamp(0, 1)
    kind = randint(0, 4, rng)
    return (
        torch.ones_like(luma),
        (4 * luma * (1 - luma)).sqrt(),
        1.3 * (1 - luma).sqrt(),
        1.3 * luma.sqrt(),
    )[kind]


def _warped_grid(hw: Sequence[int], period_px: float, rng: torch.Generator) -> Tensor:
    """Coordinates (2, H, W), turned, and bent by up to some tenths of a period."""
    grid = torch.stack(torch.meshgrid(torch.arange(hw[0]) * 1.0, torch.arange(hw[1]) * 1.0, indexing="ij"))
    turn = uniform(0.0, math.pi, rng)
    turned = torch.stack(
        [
            math.cos(turn) * grid[0] - math.sin(turn) * grid[1],
            math.sin(turn) * grid[0] + math.cos(turn) * grid[1],
        ]
    )
    return turned + uniform(0.0, 0.25, rng) * period_px * _clumps((2, *hw), 4 * period_px, rng)


def _wave(x: Tensor, y: Tensor, period_px: float, direction: float, rng: torch.Generator) -> Tensor:
    """A cosine with a phase of its own along one direction."""
    along = math.cos(direction) * x + math.sin(direction) * y
    return torch.cos(2 * math.pi * along / period_px + uniform(0.0, 2 * math.pi, rng))


def _lit(height: Tensor, direction: float) -> Tensor:
    """The slope (1, H, W) towards the light: relief under a raking lamp."""
    rows, columns = torch.gradient(height, dim=(1, 2))
    return math.sin(direction) * rows + math.cos(direction) * columns


def _starch(hw: Sequence[int], size_px: float, rng: torch.Generator) -> Tensor:
    """Which of three kinds of grain covers a pixel: (3, H, W) of 0 and 1."""
    fields = blur_mirrored(torch.randn((3, *hw), generator=rng), size_px / 3)
    return F.one_hot(fields.argmax(0), 3).permute(2, 0, 1).float()


def _ruled(hw: Sequence[int], size_px: float, rng: torch.Generator) -> Tensor:
    """Lines of one colour, and between them squares of two others by turns: (3, H, W) of 0 and 1."""
    y, x = _warped_grid(hw, 0.2 * size_px, rng) / size_px + uniform(0.0, 2.0, rng)
    is_line = y % 2 < 1
    is_first = x % 2 < 1
    kinds = torch.where(is_line, 0, torch.where(is_first, 1, 2))
    return F.one_hot(kinds, 3).permute(2, 0, 1).float()


def _normalised(pattern: Tensor) -> Tensor:
    return (pattern - pattern.mean()) / pattern.std().clamp_min(1e-6)
