"""Smooth random fields: where damage lies, how wide a crack is, how a surface varies; all drawn from `rng`."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def smooth_noise(h: int, w: int, cell_px: float, rng: torch.Generator) -> Tensor:
    """Return a smooth random field (h, w) in [0, 1] whose bumps are about `cell_px` wide."""
    coarse = torch.rand((1, 1, 3 + int(h / cell_px), 3 + int(w / cell_px)), generator=rng)
    return F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)[0, 0].clamp(0, 1)


def smooth_line(along: Tensor, cell_px: float, rng: torch.Generator) -> Tensor:
    """Return smooth random values in [0, 1] that depend on the position `along` (H, W) a line alone."""
    length = math.ceil(float(along.max() - along.min())) + 1
    values = smooth_noise(1, length, cell_px, rng)[0]
    return values[(along - along.min()).round().long()]


def clouds(h: int, w: int, cell_px: float, rng: torch.Generator) -> Tensor:
    """Return smooth random values (1, H, W) around 0, mostly within 1."""
    cells = (math.ceil(h / cell_px) + 1, math.ceil(w / cell_px) + 1)
    coarse = torch.randn((1, 1, *cells), generator=rng)
    return F.interpolate(coarse, (h, w), mode="bilinear", align_corners=True)[0]


def normal_field(h: int, w: int, size_px: int, rng: torch.Generator) -> Tensor:
    """Return a smooth random field (1, H, W), of unit variance at its nodes, which lie `size_px` apart."""
    nodes = torch.randn((1, 1, h // size_px + 2, w // size_px + 2), generator=rng)
    return F.interpolate(nodes, (h, w), mode="bicubic", align_corners=False)[0]
