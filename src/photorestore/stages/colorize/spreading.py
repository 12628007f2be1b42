"""Spread colours that are known in some places over the rest, up to the edges of lightness.

After Levin, Lischinski and Weiss, *Colorization using Optimization* (SIGGRAPH 2004): neighbours of one lightness have
one colour. What is spread here is how far known colours are from a guess, which holds where nothing is known.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EDGE = 4.0
"""Difference of lightness (of 100) at which neighbours are likely to be two things."""
LEAST_TIE = 0.0005
"""How much neighbours belong together whatever their lightness."""
COARSE = 4
"""A view this many times smaller is solved first, to begin with its solution."""
STEPS = 80
"""Of conjugate gradients, at either size."""
TINY = 1e-20


def spread(known: Tensor, weight: Tensor, lightness: Tensor, hold: float) -> Tensor:
    """Return smooth values that are near the known ones, and near 0 far from them.

    Minimises `weight |x - known|^2 + hold |x|^2` and the squared differences of neighbours, each times how much the two
    belong together, by preconditioned conjugate gradients.

    Args:
        known: (1, C, V, U), sides multiples of `COARSE`.
        weight: (1, 1, V, U), 0 where nothing is known.
        lightness: (1, 1, V, U) in [0, 100].
        hold: weight of 0; its root is about one by the number of pixels that values reach.
    """
    total = F.avg_pool2d(weight, COARSE)
    mean = F.avg_pool2d(known * weight, COARSE) / total.clamp_min(TINY)
    small = F.avg_pool2d(lightness, COARSE)
    # A coarse pixel stands for COARSE^2 of the data, while its ties to neighbours count as they do.
    begin = _solve(mean, total * COARSE**2, small, hold * COARSE**2, torch.zeros_like(mean))
    start = F.interpolate(begin, scale_factor=COARSE, mode="bilinear", antialias=True)
    return _solve(known, weight, lightness, hold, start)


def _solve(known: Tensor, weight: Tensor, lightness: Tensor, hold: float, start: Tensor) -> Tensor:
    down, across = (_ties(lightness, axis) for axis in (-2, -1))

    def apply(x: Tensor) -> Tensor:
        """Multiply by the matrix of the normal equations."""
        result = (weight + hold) * x
        for axis, ties in ((-2, down), (-1, across)):
            flow = ties * x.diff(dim=axis)
            pad = (0, 0, 1, 0) if axis == -2 else (1, 0)
            after = (0, 0, 0, 1) if axis == -2 else (0, 1)
            result = result + F.pad(flow, pad) - F.pad(flow, after)
        return result

    diagonal = weight + hold
    diagonal = diagonal + F.pad(down, (0, 0, 1, 0)) + F.pad(down, (0, 0, 0, 1))
    diagonal = diagonal + F.pad(across, (1, 0)) + F.pad(across, (0, 1))
    at = start
    left = weight * known - apply(at)
    step, before = torch.zeros_like(left), torch.ones_like(left[..., :1, :1])
    for _ in range(STEPS):
        towards = left / diagonal
        decrease = _dot(left, towards)
        step = towards + decrease / before.clamp_min(TINY) * step
        change = apply(step)
        length = decrease / _dot(step, change).clamp_min(TINY)
        at, left, before = at + length * step, left - length * change, decrease
    return at


def _ties(lightness: Tensor, axis: int) -> Tensor:
    return LEAST_TIE + torch.exp(-0.5 * (lightness.diff(dim=axis) / EDGE).square())


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((-2, -1), keepdim=True)
