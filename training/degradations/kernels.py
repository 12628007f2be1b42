"""A Gaussian blur that mirrors the picture at its borders."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.tensors import blur, gaussian_taps


def blur_mirrored(image: Tensor, sigma_px: float) -> Tensor:
    """Return (C, H, W) blurred by a Gaussian, mirrored at its borders; `fading.blur` repeats them."""
    radius = min(max(1, round(3 * sigma_px)), image.shape[-1] - 1, image.shape[-2] - 1)
    taps = gaussian_taps(sigma_px, radius)
    padded = F.pad(image[:, None], (radius,) * 4, mode="reflect")
    return blur(padded, taps)[:, 0]
