"""Damaged pictures that the translator is validated with, always the same, and Telea's filling of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.fidelity import psnr
from photorestore.stages.translate.fusion import FILL_STRIDE
from training.degradations.damage import damage_moderately
from training.degradations.sources import load_damage_sources
from training.detectors import Detector
from training.filled_prints import Prints, damage_as_print, find
from training.imperfect_masks import MASK_ALPHA, detect

CROP_PX = 256
"""Validation pictures are cut to at most this."""


@dataclass(frozen=True, slots=True)
class Held:
    """A validation picture: damaged, true, what the detector marks and how surely, and what of it is damage."""

    lq: Tensor
    gt: Tensor
    scratch_mask: Tensor
    certainty: Tensor
    inside: Tensor


def make_validation(photos: Sequence[Tensor], data: Path, detector: Detector | None) -> list[Held]:
    """Damage crops of held-out photographs by what is kept for validation; always the same for one detector.

    Without a detector the mask is the true one, grown by 2 px.
    """
    rng = torch.Generator().manual_seed(0)
    sources = load_damage_sources(data, held_out=False, validation=True)
    held = []
    for photo in photos:
        h, w = (min(CROP_PX, side // FILL_STRIDE * FILL_STRIDE) for side in photo.shape[-2:])
        gt = photo[:, :h, :w].float() / 255
        lq, _, marked = damage_moderately(gt, sources, rng)
        damaged = marked.float()
        mask = certainty = F.max_pool2d(damaged[None], 5, 1, 2)[0]
        if detector:
            mask, certainty = detect(lq, detector, threshold=0.35, grow_px=2)
        if bool((mask * damaged).any()):
            held.append(Held(lq, gt, mask, certainty, mask * damaged))
    return held


def make_held_prints(photos: Sequence[Tensor], prints: Prints) -> list[Held]:
    """Damage crops of held-out photographs as prints are; what is marked is what the service would fill."""
    rng, held = torch.Generator().manual_seed(0), []
    for photo in photos:
        side = min(CROP_PX, *(side // FILL_STRIDE * FILL_STRIDE for side in photo.shape[-2:]))
        gt, lq, alpha = damage_as_print(photo[:, :side, :side].float() / 255, prints, rng)
        mask, certainty = find(lq, prints)
        if (inside := mask * (alpha > MASK_ALPHA)).any():
            held.append(Held(lq, gt, mask, certainty, inside))
    return held


def telea(item: Held) -> Tensor:
    """Fill in the classical way (Telea, 2004), radius 3 px: (3, H, W)."""
    import cv2

    pixels = (item.lq * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    filled = cv2.inpaint(pixels, item.scratch_mask[0].byte().numpy(), 3, cv2.INPAINT_TELEA)
    return torch.from_numpy(filled).permute(2, 0, 1).float() / 255


def baselines(held: list[Held]) -> dict[str, float]:
    """Return the PSNR (dB) inside the damage of the damaged pictures and of Telea's filling."""
    return {
        "psnr_damaged_db": sum(psnr(item.lq, item.gt, mask=item.inside) for item in held) / len(held),
        "psnr_telea_db": sum(psnr(telea(item), item.gt, mask=item.inside) for item in held) / len(held),
    }
