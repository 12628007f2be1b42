"""Brightness of a colour, by BT.601 and in full range."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue."""


def luma(image: Tensor) -> Tensor:
    """Return the luma of (..., 3, H, W) as (..., 1, H, W)."""
    return (image * torch.tensor(LUMA, device=image.device).view(3, 1, 1)).sum(-3, keepdim=True)
