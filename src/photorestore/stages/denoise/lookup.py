"""Apply learned functions of one variable, sums of radial basis functions, by tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FURTHEST = 12.0
"""Functions are 0 beyond this; in units of the noise."""
ENTRIES = 2049
"""Of each table; odd, so that one stands for 0."""
STEPS = (ENTRIES - 1) / (2 * FURTHEST)
"""Entries in a unit."""
FADED = 2.0
"""Width of the ends in which functions fall to 0."""


class Lookup(nn.Module):
    """Sums of Gaussian functions, whose centres lie evenly from -`FURTHEST` to `FURTHEST`.

    Args:
        functions: how many.
    """

    def __init__(self, functions: int) -> None:
        super().__init__()
        values = torch.linspace(-FURTHEST, FURTHEST, ENTRIES)
        centres = torch.linspace(-FURTHEST, FURTHEST, functions)
        width = float(centres[1] - centres[0])
        basis = (-((values - centres[:, None]) / width).square() / 2).exp()
        ends = ((FURTHEST - values.abs()) / FADED).clamp(0, 1)
        self.basis: Tensor
        self.register_buffer("basis", basis * ends, persistent=False)  # (functions, ENTRIES)

    def of_soft_threshold(self) -> Tensor:
        """Return the weights of a function that takes a response towards 0 by up to 1 where it is small."""
        values = torch.linspace(-FURTHEST, FURTHEST, ENTRIES)
        wanted = -values * (-values.square() / 4).exp()
        return torch.linalg.lstsq(self.basis.T, wanted[:, None]).solution[:, 0]

    def tables(self, weights: Tensor) -> Tensor:
        """Return the values of functions with weights (..., functions): (..., ENTRIES)."""
        return weights @ self.basis

    def forward(self, responses: Tensor, tables: Tensor) -> Tensor:
        """Return what the functions of tables (N, C, ENTRIES) make of responses (C, N, H, W)."""
        result: Tensor = _Looked.apply(responses, tables)  # type: ignore[no-untyped-call]
        return result


class _Looked(torch.autograd.Function):
    """Take the nearest entry; the slope is that between its neighbours."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, responses: Tensor, tables: Tensor) -> Tensor:
        n, c = tables.shape[:2]
        places = responses.mul(STEPS).add_((ENTRIES - 1) / 2 + 0.5).clamp_(0, ENTRIES - 1).to(torch.int32)
        first = ENTRIES * torch.arange(n * c, dtype=torch.int32, device=places.device)
        places += first.view(n, c).T[..., None, None]
        ctx.save_for_backward(places, tables)
        return tables.reshape(-1).index_select(0, places.view(-1)).view(responses.shape)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        places, tables = ctx.saved_tensors  # type: ignore[attr-defined]
        gradient = gradients[0]
        slopes = torch.zeros_like(tables)
        slopes[..., 1:-1] = (tables[..., 2:] - tables[..., :-2]) * (STEPS / 2)
        through = slopes.reshape(-1).index_select(0, places.view(-1)).view(places.shape)
        into = torch.zeros(tables.numel(), device=tables.device)
        into.index_add_(0, places.view(-1), gradient.reshape(-1))
        return gradient * through, into.view(tables.shape)
