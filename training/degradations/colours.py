"""Colours that photographs seldom show, as saturated pictures and faded or toned prints have them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from photorestore.pixels.tensors import luma
from training.randomness import chance, uniform


def strong_colours(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Change a patch's colours, (3, H, W) in [0, 1]: permute channels, turn hue, saturate, bend tones, invert.

    Each of these happens to some of the patches only.
    """
    if chance(0.6, rng):
        gt = gt[torch.randperm(3, generator=rng)]
    if chance(0.4, rng):
        gt = turned(gt, uniform(0, 2 * math.pi, rng))
    if chance(0.8, rng):
        gt = saturated(gt, uniform(0.8, 2.6, rng))
    gt = gt.clamp(0, 1)
    if chance(0.3, rng):
        gt = gt ** math.exp(uniform(-0.5, 0.5, rng))
    return 1 - gt if chance(0.15, rng) else gt


def saturated(image: Tensor, factor: float) -> Tensor:
    """Multiply the differences from the luma by `factor`; not clamped."""
    grey = luma(image)
    return grey + factor * (image - grey)


def turned(image: Tensor, angle: float) -> Tensor:
    """Turn the colours about the axis of grey by `angle` (radians); not clamped."""
    share, root = (1 - math.cos(angle)) / 3, math.sin(angle) / math.sqrt(3)
    same = math.cos(angle) + share
    matrix = torch.tensor(
        [
            [same, share - root, share + root],
            [share + root, same, share - root],
            [share - root, share + root, same],
        ]
    )
    return torch.einsum("oc,chw->ohw", matrix, image)
