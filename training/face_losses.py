"""Losses of the refiner of faces: errors in the face, and an adversary."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photorestore.stages.face.geometry import face_mask

AROUND = 0.1
"""Weight of an error beside the face; inside it is 1."""


class PatchAdversary(nn.Sequential):
    """Tells patches of real faces (1) from those of refined ones (0); least squares."""

    def __init__(self, width: int = 48) -> None:
        super().__init__(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )


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


def adversary_loss(adversary: nn.Module, pred: Tensor, gt: Tensor) -> Tensor:
    """Return what the adversary pays: real faces are to score 1, refined ones 0."""
    return (adversary(gt) - 1).square().mean() + adversary(pred.detach()).square().mean()


def fooling_loss(adversary: nn.Module, pred: Tensor) -> Tensor:
    """Return what the refiner pays for faces that do not look real: refined ones to 1."""
    return (adversary(pred) - 1).square().mean()
