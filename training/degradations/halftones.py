"""Screen pictures as print and old screens do: dots of one size, or of one spacing.

(3, H, W) in [0, 1]; everything is drawn from `rng`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from photorestore.pixels.tensors import luma
from training.degradations.fading import blur
from training.randomness import chance, randint, uniform

BAYER_2 = torch.tensor([[0.0, 2.0], [3.0, 1.0]])
INK_ANGLES = (15.0, 75.0, 0.0, 45.0)
"""Degrees of the screens of cyan, magenta, yellow and black."""


def halftone(image: Tensor, rng: torch.Generator) -> Tensor:
    """Screen a picture: ordered, by error diffusion or by dots, in one ink or in four, at times as a scan of it."""
    contrasted = ((image - 0.5) * uniform(0.9, 1.4, rng) + 0.5).clamp(0, 1)
    kind = randint(0, 6, rng)
    if kind == 0:
        return _ordered(luma(contrasted), randint(1, 4, rng)).expand(3, -1, -1)
    if kind == 1:
        return _diffused(contrasted, rng)
    period_px = uniform(2.8, 9, rng)
    if kind in (2, 3):
        dots = _screened(luma(contrasted), period_px, uniform(0, 90, rng), rng).expand(3, -1, -1)
        return dots if chance(0.4, rng) else _scanned(dots, rng)
    return _scanned(_four_inks(contrasted, period_px, rng), rng)


def _ordered(grey: Tensor, doublings: int) -> Tensor:
    """Dither by Bayer's matrix of 2, 4 or 8 px."""
    matrix = BAYER_2
    for _ in range(doublings - 1):
        matrix = torch.cat(
            [torch.cat([4 * matrix + offset for offset in row], 1) for row in BAYER_2.tolist()], 0
        )
    size = matrix.shape[0]
    _, h, w = grey.shape
    tiled = ((matrix + 0.5) / size**2).repeat(1 + h // size, 1 + w // size)[:h, :w]
    return (grey > tiled).float()


def _diffused(image: Tensor, rng: torch.Generator) -> Tensor:
    """Diffuse errors after Floyd and Steinberg, to black and white or to a few colours."""
    picture = Image.fromarray((image * 255).byte().permute(1, 2, 0).contiguous().numpy())
    if chance(0.7, rng):
        dithered = picture.convert("1")
    else:
        palette = picture.quantize(randint(3, 17, rng), dither=Image.Dither.NONE)
        dithered = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    return torch.from_numpy(np.array(dithered.convert("RGB"))).permute(2, 0, 1).float() / 255


def _screened(grey: Tensor, period_px: float, degrees: float, rng: torch.Generator) -> Tensor:
    """Dots or lines of one spacing whose size goes by the tone; edges as sharp as the pixels allow."""
    _, h, w = grey.shape
    y, x = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
    angle = math.radians(degrees)
    u = (x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period_px
    v = (y * math.cos(angle) - x * math.sin(angle)) * 2 * math.pi / period_px
    wave = u.cos() if chance(0.15, rng) else (u.cos() + v.cos()) / 2
    return ((grey - 0.5 + 0.5 * wave[None]) * uniform(2, 12, rng) + 0.5).clamp(0, 1)


def _four_inks(image: Tensor, period_px: float, rng: torch.Generator) -> Tensor:
    """Cyan, magenta, yellow and black, each in a screen of its own angle."""
    black = 1 - image.amax(0, keepdim=True)
    inks = torch.cat([(1 - image - 0.7 * black), black**2]).clamp(0, 1)
    turn, printed = uniform(0, 90, rng), torch.ones_like(image)
    for index, degrees in enumerate(INK_ANGLES):
        light = _screened(1 - inks[index : index + 1], period_px, degrees + turn, rng)
        absorbed = torch.ones((3, 1, 1)) if index == 3 else torch.eye(3)[index].view(3, 1, 1)
        printed = printed * (1 - 0.9 * absorbed * (1 - light))
    return printed


def _scanned(dots: Tensor, rng: torch.Generator) -> Tensor:
    """Soften the dots, with ink and paper that are not black and white."""
    soft = blur(dots, uniform(0.3, 0.9, rng))
    paper = torch.tensor([1.0, uniform(0.9, 1, rng), uniform(0.75, 1, rng)]).view(3, 1, 1) * uniform(
        0.8, 1, rng
    )
    black = uniform(0, 0.25, rng)
    return (black + (paper - black) * soft).clamp(0, 1)
