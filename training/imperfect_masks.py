"""Masks with a detector's faults: its own, or drawn from the true damage."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.degradations import strokes
from training.degradations.fields import normal_field
from training.detectors import Detector
from training.randomness import chance, randint

MASK_ALPHA = 0.1
"""A pixel that was overwritten by more than this counts as damaged."""


def imperfect_mask(alpha: Tensor, rng: torch.Generator) -> Tensor:
    """Make a mask as a detector would: too wide by 0 to 4 px, with misses, and with false areas."""
    h, w = alpha.shape[-2:]
    mask = (alpha > MASK_ALPHA).float()
    if chance(0.3, rng):
        mask = mask * (normal_field(h, w, 12, rng) < 1.3)
    if chance(0.4, rng):
        mask = torch.maximum(mask, (strokes.hairs(h, w, randint(1, 4, rng), rng) > 0.2).float())
    radius = randint(0, 5, rng)
    return F.max_pool2d(mask[None], 2 * radius + 1, 1, radius)[0]


def detect(lq: Tensor, detector: Detector, *, threshold: float, grow_px: int) -> tuple[Tensor, Tensor]:
    """Return a detector's own mask, with its misses, false areas and ragged rims, and its probabilities."""
    prob = detector(lq[None]).sigmoid()
    return F.max_pool2d((prob >= threshold).float(), 2 * grow_px + 1, 1, grow_px)[0], prob[0]
