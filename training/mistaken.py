"""Find where a detector of damage is wrong in photographs and prints, so that it learns most there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from training.damaged_samples import age
from training.marked import DAMAGE, MarkedPrint

LOOKED_PX = 640
"""Longest side of what is looked at of a photograph."""
MISTAKEN = 0.4
"""Probability of damage from which a sound pixel is counted; below it a damaged one."""
LEAST_PX = 12
"""So many such pixels in a window make a mistake: fewer are noise of the detector."""
NEAR_PX = 2
"""So far from damage a sound pixel is not counted: marks are good to a pixel."""
STRIDE_PX = 16


@torch.no_grad()
def mistaken_crops(
    detector: Callable[[Tensor], Tensor], photos: Sequence[Tensor], size_px: int, rng: torch.Generator
) -> list[Tensor]:
    """Look at each photograph once, aged as prints are, and cut out where most is taken for damage.

    Args:
        detector: gives logits (1, 1, H, W) of a picture (1, 3, H, W), as `Detector` does.
        photos: sound ones, uint8 (3, H, W), sides at least 2 * `STRIDE_PX`.
        size_px: sides of the crops, or less where a photograph is smaller.

    Returns:
        uint8 (3, h, w), h and w at most `size_px`; as the photographs are, not aged: of those with a mistake.
    """
    crops = []
    for photo in photos:
        part = photo[:, :LOOKED_PX, :LOOKED_PX]
        prob = detector(age(part.float() / 255, rng).clamp(0, 1)[None]).sigmoid().cpu()
        wrong = (prob >= MISTAKEN).float()
        h, w = (min(size_px, side) for side in part.shape[-2:])
        counts = F.avg_pool2d(wrong, (h, w), STRIDE_PX)[0, 0] * (h * w)
        if counts.max() < LEAST_PX:
            continue
        row, column = divmod(int(counts.argmax()), counts.shape[1])
        y, x = STRIDE_PX * row, STRIDE_PX * column
        crops.append(part[:, y : y + h, x : x + w].clone())
    return crops


@torch.no_grad()
def mistaken_prints(detector: Callable[[Tensor], Tensor], prints: Sequence[MarkedPrint]) -> list[MarkedPrint]:
    """Look at each marked print once, as it is, and return those with a mistake, as `wrong` says.

    Args:
        detector: as that of `mistaken_crops`.
        prints: any sizes.
    """
    found = []
    for marked in prints:
        prob = detector(marked.image[None].float() / 255).sigmoid().cpu()[0]
        damage = marked.mask == DAMAGE
        near = F.max_pool2d((marked.mask > 0).float(), 2 * NEAR_PX + 1, 1, NEAR_PX) > 0
        wrong = (damage & (prob < MISTAKEN)) | (~near & (prob >= MISTAKEN))
        if wrong.sum() >= LEAST_PX:
            found.append(replace(marked, wrong=wrong, share=float(wrong.float().mean())))
    return found
