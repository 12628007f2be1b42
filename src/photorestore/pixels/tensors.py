"""What several stages, the figures of quality and the training compute on image tensors: luma and Gaussian blur."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.luma import LUMA


def luma(image: Tensor) -> Tensor:
    """Return the luma (..., 1, H, W) of (..., 3, H, W), in full range."""
    return (image * torch.tensor(LUMA).to(image).view(3, 1, 1)).sum(-3, keepdim=True)


def gaussian_taps(sigma_px: float, radius: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return samples of a Gaussian from `-radius` to `radius` px, (2 * radius + 1,), of sum 1."""
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=dtype) / sigma_px) ** 2)
    return taps / taps.sum()


def blur(image: Tensor, taps: Tensor) -> Tensor:
    """Convolve (N, 1, H, W) with taps (n,) along rows and columns; the result is n - 1 px smaller each way."""
    return F.conv2d(F.conv2d(image, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
