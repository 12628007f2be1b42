"""Measure a denoiser on held-out photographs with noise that is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from photorestore.fidelity import psnr
from training.degradations.levelled import NOISES, Noise, gaussian_noise
from training.on_demand import OnDemand

Denoise = Callable[[Tensor, Tensor | None], Tensor]
"""Denoises (N, 3, H, W), told the level or nothing: the runner of a denoiser, or what is called like it."""


def mean_psnr(denoise: Denoise, photos: Sequence[Tensor], noise: Noise, *, told: bool = False) -> float:
    """Return the mean PSNR (dB) over photographs (uint8) with noise of a fixed seed, blind or told its level."""
    rng = torch.Generator().manual_seed(1)
    total = 0.0
    for photo in photos:
        gt = photo.float() / 255
        lq, sigma = noise(gt, rng)
        pred = denoise(lq[None], sigma[None] if told else None)[0]
        total += psnr(pred.clamp(0, 1).cpu(), gt)
    return total / len(photos)


def evaluate(denoise: Denoise, photos: Sequence[Tensor], max_sigma_255: float) -> dict[str, float]:
    """Return the blind PSNR (dB) over the held-out photographs at Gaussian noise of sigma_255 15, 25 and 50."""
    levels = {
        sigma_255: gaussian_noise(sigma_255 / max_sigma_255, max_sigma_255) for sigma_255 in (15, 25, 50)
    }
    return {f"psnr_{sigma_255}_db": mean_psnr(denoise, photos, noise) for sigma_255, noise in levels.items()}


def psnr_by_difficulty(
    denoise: Denoise, photos: Sequence[Tensor], noise: str, max_sigma_255: float, difficulty: OnDemand
) -> list[float]:
    """Return the blind PSNR (dB) in the middle of each level; Gaussian noise stands for mixed noise."""
    make_noise = NOISES.get(noise, gaussian_noise)
    spans = map(difficulty.span, range(len(difficulty.shares)))
    return [mean_psnr(denoise, photos, make_noise((low + high) / 2, max_sigma_255)) for low, high in spans]
