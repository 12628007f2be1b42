"""Bicubic resizing as MATLAB's `imresize` does it, which the super-resolution benchmarks are made with.

Keys' cubic kernel with a = -0.5; when shrinking it is widened by the factor (antialiasing); beyond the border the
picture is mirrored, the outermost pixel included. Images are (C, H, W) or (N, C, H, W); results are not clamped.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.degradations.noise import quantise


def bicubic(image: Tensor, scale: float) -> Tensor:
    """Resize by a factor: sides become ceil(scale * side)."""
    h, w = image.shape[-2:]
    return bicubic_to(image, (math.ceil(scale * h), math.ceil(scale * w)), scale)


def bicubic_to(image: Tensor, hw: tuple[int, int], scale: float | None = None) -> Tensor:
    """Resize to a size.

    Args:
        hw: height and width of the result.
        scale: the factor that positions are computed with; by default each side's own.
    """
    h, w = image.shape[-2:]
    rows = bicubic_weights(h, hw[0], scale or hw[0] / h).to(image)
    columns = bicubic_weights(w, hw[1], scale or hw[1] / w).to(image)
    return rows @ image @ columns.T


def shrink(hr: Tensor, scale: int) -> Tensor:
    """Make the benchmarks' small picture: an integer number of times smaller, stored in 8 bits.

    Raises:
        ValueError: the sides are not multiples of `scale`.
    """
    if hr.shape[-2] % scale or hr.shape[-1] % scale:
        raise ValueError(f"sides {tuple(hr.shape[-2:])} are not multiples of {scale}")
    return quantise(bicubic(hr, 1 / scale))


def bicubic_weights(length: int, new_length: int, scale: float) -> Tensor:
    """Return what each old pixel of an axis adds to each new one: (new_length, length), float64."""
    narrow = min(1.0, scale)  # below 1 the kernel is widened by its inverse
    support = 2 / narrow
    centres = (torch.arange(new_length, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = torch.arange(2 * math.ceil(support) + 2) - math.ceil(support)
    places = centres.floor().long()[:, None] + taps  # (new_length, taps), may lie outside
    weights = cubic(narrow * (centres[:, None] - places))
    weights = weights / weights.sum(1, keepdim=True)
    matrix = torch.zeros((new_length, length), dtype=torch.float64)
    return matrix.scatter_add_(1, _mirrored(places, length), weights)


def cubic(distance: Tensor) -> Tensor:
    """Return the values of Keys' kernel (1981) with a = -0.5, of support 2."""
    x = distance.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))


def _mirrored(places: Tensor, length: int) -> Tensor:
    """Places beyond the ends, reflected so that the end itself comes twice: -1 is 0, `length` is length - 1."""
    folded = places.remainder(2 * length)
    return torch.minimum(folded, 2 * length - 1 - folded)
