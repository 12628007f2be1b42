"""Filter planes of one channel by banks of small filters, forwards and backwards."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

SIDE_PX = 5
"""Of windows."""
RADIUS_PX = SIDE_PX // 2


def responses_of(around: Tensor, kernels: Tensor) -> Tensor:
    """Return the responses (N, C, H, W) of filters (C, 25) to planes with what lies around them, (N, H + 4, W + 4)."""
    return F.conv2d(around[:, None], kernels.view(-1, 1, SIDE_PX, SIDE_PX))


def filtered_back(changes: Tensor, kernels: Tensor) -> Tensor:
    """Return the sum of (N, C, H, W), each filtered by its one of (C, 25) backwards: (N, H + 4, W + 4).

    Products of matrices give each pixel's share in its window, and these add up; the usual convolutions take eight
    times as long for one channel.
    """
    windows = kernels.T @ changes.flatten(2)  # (N, 25, H * W)
    total: Tensor = _Sum.apply(windows.unflatten(2, changes.shape[2:]))  # type: ignore[no-untyped-call]
    return total


def repeated(image: Tensor) -> Tensor:
    """Return planes (N, H, W) with what their windows reach beyond the borders, where they repeat."""
    return F.pad(image, (RADIUS_PX,) * 4, mode="circular")


def wrapped(around: Tensor) -> Tensor:
    """Add what lies beyond the borders of planes (N, H + 4, W + 4), in place, to where it repeats: (N, H, W)."""
    for axis in (1, 2):
        size = around.shape[axis] - 2 * RADIUS_PX
        around.narrow(axis, size, RADIUS_PX).add_(around.narrow(axis, 0, RADIUS_PX))
        around.narrow(axis, RADIUS_PX, RADIUS_PX).add_(around.narrow(axis, size + RADIUS_PX, RADIUS_PX))
        around = around.narrow(axis, RADIUS_PX, size)
    return around


def power_of(kernels: Tensor, others: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Return the sum over filters (C, 25) of the spectrum of each times that of its other one, mirrored.

    Both differ by a factor only, so that it is real: (H, W // 2 + 1), for planes of a size.
    """
    height, width = size_hw
    alike = kernels.view(1, -1, SIDE_PX, SIDE_PX)
    alike = F.conv2d(F.pad(alike, (SIDE_PX - 1,) * 4), others.view(1, -1, SIDE_PX, SIDE_PX))[0, 0]
    shifts = torch.arange(1 - SIDE_PX, SIDE_PX).to(kernels)
    turns = 2 * torch.pi * shifts
    rows = torch.fft.fftfreq(height).to(kernels)[:, None] * turns
    columns = turns[:, None] * torch.fft.rfftfreq(width).to(kernels)
    return rows.cos() @ alike @ columns.cos() - rows.sin() @ alike @ columns.sin()


class _Sum(torch.autograd.Function):
    """Put windows (N, 25, H, W) back to their places, (N, H + 4, W + 4), where they add up: rows, then columns."""

    @staticmethod
    def forward(ctx: FunctionCtx, windows: Tensor) -> Tensor:  # noqa: ARG004
        n, _, h, w = windows.shape
        first, *others = windows.unflatten(1, (SIDE_PX, SIDE_PX)).unbind(1)
        rows = F.pad(first, (0, 0, 0, 2 * RADIUS_PX))
        for y, values in enumerate(others, 1):
            rows[:, :, y : y + h] += values
        around = windows.new_zeros(n, h + 2 * RADIUS_PX, w + 2 * RADIUS_PX)
        for x, values in enumerate(rows.unbind(1)):
            around[:, :, x : x + w] += values
        return around

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        n, h, w = gradients[0].shape
        return F.unfold(gradients[0][:, None], SIDE_PX).view(n, -1, h - 2 * RADIUS_PX, w - 2 * RADIUS_PX)
