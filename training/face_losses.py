"""The loss of the refiner of faces: errors in the face."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.stages.face.geometry import face_mask

AROUND = 0.1
"""Weight of an error beside the face; inside it is 1."""


def refine_loss(pred: Tensor, gt: Tensor, coarse: Tensor, gradient_weight: float) -> Tensor:
    """Return the L1 of values and of their differences, mostly inside the face; at half size for coarse targets."""
    weight = AROUND + (1 - AROUND) * face_mask().to(pred)
    fine = _error(pred, gt, weight, gradient_weight=gradient_weight)
    smaller = (F.avg_pool2d(image, 2) for image in (pred, gt, weight))
    half = _error(*smaller, gradient_weight=gradient_weight)
    return torch.where(coarse, half, fine).mean()


def _error(pred: Tensor, gt: Tensor, weight: Tensor, *, gradient_weight: float) -> Tensor:
    """Return the error of each face, (N,)."""
    error = (pred - gt) * weight
    steps = error.diff(dim=-1).abs().mean((1, 2, 3)) + error.diff(dim=-2).abs().mean((1, 2, 3))
    return (error.abs().mean((1, 2, 3)) + gradient_weight * steps) / weight.mean()
