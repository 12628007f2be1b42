"""Pictures of edges, and their blurs."""

import numpy as np
import torch
from torch.nn import functional as F


def scene(side_px: int) -> torch.Tensor:
    """Overlapping rectangles of all sizes: edges and nothing else."""
    rng = np.random.default_rng(3)
    image = np.full((side_px, side_px), 0.5, np.float32)
    for _ in range(120):
        (y, x), (h, w) = rng.integers(0, side_px, 2), rng.integers(4, side_px // 4, 2)
        image[y : y + h, x : x + w] = rng.random()
    return torch.from_numpy(image)


def blurred(image: torch.Tensor, psf: torch.Tensor, gamma: float = 1.0) -> torch.Tensor:
    """Return sRGB values (H, W) blurred where the PSF fits in, or light, which is these to the power of `gamma`."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    whole = F.conv2d(image[None, None] ** gamma, psf.flip(0, 1)[None, None])[0, 0] ** (1 / gamma)
    return whole + 0.005 * noise[: whole.shape[0], : whole.shape[1]]
