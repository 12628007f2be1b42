"""Keep stages from giving colour to pictures without it.

A scan of a grey photograph mostly holds three equal channels. A network that was made for colour pictures gives such
a picture colour here and there, which is seen at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

NO_COLOUR = 1e-5
"""Channels that are no further apart than this, less than a step of 16 bits, are equal."""


def without_new_colour(pred: Tensor, lq: Tensor) -> Tensor:
    """Return the prediction with channels that differ in no pixel by more than they did before.

    So equal channels stay equal, while a tint, a coloured stamp, or what a JPEG left of them is kept.

    Args:
        pred, lq: (N, 3, H, W), a network's output and input.
    """
    middle, spread = pred.mean(1, keepdim=True), _spread(lq)
    allowed = torch.where(spread > NO_COLOUR, spread, 0)
    return middle + (pred - middle) * (allowed / _spread(pred).clamp_min(NO_COLOUR)).clamp_max(1)


def for_grey(pred: Tensor, lq: Tensor, are_grey: Tensor) -> Tensor:
    """Return the prediction, with `without_new_colour` applied to the pictures that `are_grey`, (N,) of bool, marks."""
    if not are_grey.any():
        return pred
    return torch.where(are_grey.view(-1, 1, 1, 1), without_new_colour(pred, lq), pred)


def _spread(image: Tensor) -> Tensor:
    return image.amax(1, keepdim=True) - image.amin(1, keepdim=True)
