"""The guided filter: make a map's edges those of a picture.

He, Sun and Tang, *Guided Image Filtering* (TPAMI 2013): around each pixel the map is a linear function of a guide.
OpenCV's own stands among its extra modules, which the package that we pin lacks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def functions_of(guide: Tensor, values: Tensor, radius_px: int, flat: float) -> Tensor:
    """Return slope and offset, (N, 2, H, W), by which a map follows its guide; they are smooth.

    Args:
        guide, values: (N, 1, H, W).
        radius_px: of the squares in which one function holds.
        flat: variance of the guide below which it explains nothing.
    """
    radius = max(1, min(radius_px, *((side - 1) // 2 for side in guide.shape[-2:])))

    def mean(plane: Tensor) -> Tensor:
        return F.avg_pool2d(plane, 2 * radius + 1, 1, radius, count_include_pad=False)

    mean_guide, mean_values = mean(guide), mean(values)
    variance = mean(guide.square()) - mean_guide.square()
    slope = (mean(guide * values) - mean_guide * mean_values) / (variance.clamp_min(0) + flat)
    return torch.cat([mean(slope), mean(mean_values - slope * mean_guide)], 1)


def guided(guide: Tensor, values: Tensor, radius_px: int, flat: float) -> Tensor:
    """Return a map (N, 1, H, W) with its guide's edges; arguments as of `functions_of`."""
    slope, offset = functions_of(guide, values, radius_px, flat).split(1, 1)
    return slope * guide + offset
