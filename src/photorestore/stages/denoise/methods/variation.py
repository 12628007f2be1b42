"""Take differences of neighbouring pixels, and undo them by spectra, in pictures that repeat beyond their borders."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient(image: Tensor) -> Tensor:
    """Return the differences to the next pixel below and to the right, (2, ..., H, W)."""
    return torch.stack([image.roll(-1, axis) - image for axis in (-2, -1)])


def gradient_back(differences: Tensor) -> Tensor:
    """Return what `gradient`'s adjoint makes of (2, ..., H, W): (..., H, W)."""
    down, right = differences
    return (down.roll(1, -2) - down) + (right.roll(1, -1) - right)


def gradient_power(height: int, width: int, device: torch.device) -> Tensor:
    """Return the power of both differences at each frequency, (H, W // 2 + 1), from 0 for flat pictures to 8."""
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)[None]
    return 4 - 2 * (2 * torch.pi * rows).cos() - 2 * (2 * torch.pi * columns).cos()


def curvature(image: Tensor) -> Tensor:
    """Return the second differences down, across and mixed, (3, ..., H, W), of equal weight in all directions."""
    down, right = gradient(image)
    mixed = down.roll(-1, -1) - down
    return torch.stack([down - down.roll(1, -2), right - right.roll(1, -1), 2**0.5 * mixed])


def curvature_back(differences: Tensor) -> Tensor:
    """Return what `curvature`'s adjoint makes of (3, ..., H, W): (..., H, W)."""
    down, right, mixed = differences
    mixed = 2**0.5 * (mixed.roll(1, -1) - mixed)
    return gradient_back(torch.stack([down - down.roll(-1, -2) + mixed, right - right.roll(-1, -1)]))
