"""The guided filter: make a map's edges those of a picture, from a small view of it as well.

He, Sun and Tang, *Guided Image Filtering* (TPAMI 2013): around each pixel the map is a linear function of a guide. The
function's two numbers are smooth, so they can be enlarged; applied to the guide at full size they give a map whose
edges are where the picture's own are. OpenCV's own stands among its extra modules, which the package that we pin lacks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def functions_of(guide: Tensor, values: Tensor, radius_px: int, flat: float) -> Tensor:
    """Return slopes and offsets, (N, 2 C, H, W), by which maps follow their guide; they are smooth.

    Args:
        guide: (N, 1, H, W).
        values: the maps, (N, C, H, W).
        radius_px: of the squares in which one function holds.
        flat: variance of the guide below which it explains nothing.
    """
    radius = max(1, min(radius_px, *((side - 1) // 2 for side in guide.shape[-2:])))

    def mean(plane: Tensor) -> Tensor:
        for side, pad in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
            plane = F.avg_pool2d(plane, side, 1, pad, count_include_pad=False)
        return plane

    mean_guide, mean_values = mean(guide), mean(values)
    variance = mean(guide.square()) - mean_guide.square()
    slope = (mean(guide * values) - mean_guide * mean_values) / (variance.clamp_min(0) + flat)
    return torch.cat([mean(slope), mean(mean_values - slope * mean_guide)], 1)


def guided(guide: Tensor, values: Tensor, radius_px: int, flat: float) -> Tensor:
    """Return maps (N, C, H, W) with their guide's edges; arguments as of `functions_of`."""
    slope, offset = functions_of(guide, values, radius_px, flat).chunk(2, 1)
    return slope * guide + offset


def at_rows(functions: Tensor, guide: Tensor, top: int, height: int) -> Tensor:
    """Return the maps (1, C, h, W) in some rows of a picture.

    Args:
        functions: (1, 2 C, V, U), of a view of the whole picture.
        guide: these rows of the guide, (1, 1, h, W).
        top, height: where they begin in the picture, and its height.
    """
    h, w = guide.shape[-2:]
    y, x = torch.arange(top, top + h), torch.arange(w)
    return at_places(functions, guide, x.expand(h, w), y[:, None].expand(h, w), (height, w))


def at_places(functions: Tensor, guide: Tensor, x: Tensor, y: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Return the maps (1, C, ...) of pixels in columns x and rows y, (h, w), of a picture of a size."""
    height, width = size_hw
    grid = torch.stack([(x + 0.5) * (2 / width) - 1, (y + 0.5) * (2 / height) - 1], -1)[None]
    numbers = F.grid_sample(functions, grid.to(functions), padding_mode="border", align_corners=False)
    slope, offset = numbers.chunk(2, 1)
    return slope * guide + offset
