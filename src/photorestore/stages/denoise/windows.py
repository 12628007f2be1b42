"""Filter planes by products of matrices: a plane's windows are its columns.

A filter bank of one channel is too thin for the usual convolutions, which take several times as long.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

SIDE_PX = 5
"""Of windows."""
RADIUS_PX = SIDE_PX // 2


def windows_of(around: Tensor) -> Tensor:
    """Return the windows of planes (N, H + 4, W + 4): (25, N, H, W)."""
    windows: Tensor = _Windows.apply(around)  # type: ignore[no-untyped-call]
    return windows


def sum_of(windows: Tensor) -> Tensor:
    """Put windows (25, N, H, W) back to their places, (N, H + 4, W + 4), where they add up."""
    total: Tensor = _Sum.apply(windows)  # type: ignore[no-untyped-call]
    return total


def repeated(image: Tensor) -> Tensor:
    """Return planes (N, H, W) with what their windows reach beyond the borders, where they repeat."""
    return F.pad(image, (RADIUS_PX,) * 4, mode="circular")


def wrapped(around: Tensor) -> Tensor:
    """Add what lies beyond the borders of planes (N, H + 4, W + 4) to where it repeats: (N, H, W)."""
    for axis in (1, 2):
        size = around.shape[axis] - 2 * RADIUS_PX
        before, inner, after = around.split((RADIUS_PX, size, RADIUS_PX), axis)
        middle = inner.narrow(axis, RADIUS_PX, size - 2 * RADIUS_PX)
        first, last = inner.narrow(axis, 0, RADIUS_PX), inner.narrow(axis, size - RADIUS_PX, RADIUS_PX)
        around = torch.cat([first + after, middle, last + before], axis)
    return around


def power_of(kernels: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Return the sum of the power spectra of filters (C, 25) for planes of a size: (H, W // 2 + 1)."""
    height, width = size_hw
    alike = kernels.view(1, -1, SIDE_PX, SIDE_PX)
    alike = F.conv2d(F.pad(alike, (SIDE_PX - 1,) * 4), kernels.view(1, -1, SIDE_PX, SIDE_PX))[0, 0]
    shifts = torch.arange(1 - SIDE_PX, SIDE_PX).to(kernels)
    turns = 2 * torch.pi * shifts
    rows = torch.fft.fftfreq(height).to(kernels)[:, None] * turns
    columns = turns[:, None] * torch.fft.rfftfreq(width).to(kernels)
    return rows.cos() @ alike @ columns.cos() - rows.sin() @ alike @ columns.sin()


def _windows_of(around: Tensor) -> Tensor:
    h, w = (side - 2 * RADIUS_PX for side in around.shape[1:])
    return around.unfold(1, h, 1).unfold(2, w, 1).permute(1, 2, 0, 3, 4).reshape(SIDE_PX**2, -1, h, w)


def _sum_of(windows: Tensor) -> Tensor:
    _, n, h, w = windows.shape
    around = windows.new_zeros(n, h + 2 * RADIUS_PX, w + 2 * RADIUS_PX)
    for place, values in enumerate(windows):
        y, x = divmod(place, SIDE_PX)
        around[:, y : y + h, x : x + w] += values
    return around


class _Windows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, around: Tensor) -> Tensor:  # noqa: ARG004
        return _windows_of(around)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return _sum_of(gradients[0])


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, windows: Tensor) -> Tensor:  # noqa: ARG004
        return _sum_of(windows)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return _windows_of(gradients[0])
