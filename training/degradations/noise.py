"""Noise, grain and JPEG artefacts. Every function is pure: it draws from the `rng` it is given.

Images are (C, H, W) in [0, 1]; results are not clamped unless said.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from training.degradations.kernels import blur_mirrored


def gaussian(gt: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    """Add white Gaussian noise of standard deviation `sigma` ([0, 1] units)."""
    return gt + sigma * torch.randn(gt.shape, generator=rng)


def poisson(gt: Tensor, peak: float, rng: torch.Generator) -> Tensor:
    """Count photons: `peak` of them at white (Liu & Lam)."""
    return torch.poisson(gt.clamp(0, 1) * peak, generator=rng) / peak


def poisson_sigma(lq: Tensor, peak: float) -> Tensor:
    """Return the level of photon noise, `sqrt(signal / peak)`: (1, H, W), the signal from the blurred image."""
    signal = F.avg_pool2d(lq.mean(0, keepdim=True)[None], 7, stride=1, padding=3, count_include_pad=False)[0]
    return (signal.clamp_min(0) / peak).sqrt()


def poisson_gaussian(gt: Tensor, shot: float, read: float, rng: torch.Generator) -> Tensor:
    """Add sensor noise of variance `shot * signal + read**2` (the usual heteroscedastic approximation)."""
    sigma = (shot * gt.clamp(0, 1) + read**2).sqrt()
    return gt + sigma * torch.randn(gt.shape, generator=rng)


def speckle(gt: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    """Multiply by noise of mean 1 and standard deviation `sigma`."""
    return gt * (1 + sigma * torch.randn(gt.shape, generator=rng))


def salt_and_pepper(gt: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Set a `share` of the pixels to black or white."""
    draw = torch.rand(gt.shape[-2:], generator=rng)
    return torch.where(draw < share / 2, 0.0, torch.where(draw > 1 - share / 2, 1.0, gt))


def impulses(gt: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Replace a `share` of the pixels by random colours."""
    is_hit = torch.rand(gt.shape[-2:], generator=rng) < share
    return torch.where(is_hit, torch.rand(gt.shape, generator=rng), gt)


def film_grain(gt: Tensor, sigma: float, size_px: float, rng: torch.Generator) -> Tensor:
    """Add grey, spatially correlated grain, strongest in the mid-tones.

    Args:
        sigma: standard deviation at mid-grey.
        size_px: standard deviation of the grain's Gaussian blur, 0.3 to 2.
    """
    grain = blur_mirrored(torch.randn((1, *gt.shape[-2:]), generator=rng), size_px)
    luma = gt.mean(0, keepdim=True).clamp(0, 1)
    return gt + sigma * (4 * luma * (1 - luma)).sqrt() * grain / grain.std().clamp_min(1e-6)


def jpeg(image: Tensor, quality: int, *, subsample: bool = True) -> Tensor:
    """Encode and decode as JPEG; the result is clamped and holds 8-bit values."""
    return jpeg_with_table(image, quality, subsample=subsample)[0]


def jpeg_with_table(image: Tensor, quality: int, *, subsample: bool) -> tuple[Tensor, list[int]]:
    """Do what `jpeg` does; return the quantisation table of the luminance as well."""
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2 if subsample else 0)
    with Image.open(buffer) as stored:
        values = torch.from_numpy(np.array(stored))
        return values.permute(2, 0, 1).float() / 255, list(stored.quantization[0])  # type: ignore[attr-defined]


def quantise(image: Tensor) -> Tensor:
    """Clamp and round to 8 bits, as a stored picture is."""
    return (image.clamp(0, 1) * 255).round() / 255
