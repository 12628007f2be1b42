"""The Gaussian kernel, and a blur by it that mirrors the picture at its borders."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_taps(sigma_px: float, radius: int) -> Tensor:
    """Return samples of a Gaussian from `-radius` to `radius` px, (2 * radius + 1,), of sum 1."""
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma_px) ** 2)
    return taps / taps.sum()


def blur_mirrored(image: Tensor, sigma_px: float) -> Tensor:
    """Return (C, H, W) blurred by a Gaussian, mirrored at its borders; `fading.blur` repeats them."""
    radius = min(max(1, round(3 * sigma_px)), image.shape[-1] - 1, image.shape[-2] - 1)
    taps = gaussian_taps(sigma_px, radius)
    padded = F.pad(image[:, None], (radius,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))[:, 0]
