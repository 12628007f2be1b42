"""Divide the plane of a and b into bins, over which the learned method spreads its guess.

A colour lies between four bins and belongs to each in part (bilinearly), so that the mean of its shares is the colour
itself. Zhang et al., *Colorful Image Colorization* (ECCV 2016), who take the five nearest instead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from photorestore.pixels.lab import lab_of

STEP = 10
"""Width of a bin in a and b."""
REACH = 11
"""Bins from grey to the end of the plane, each way."""
SIDE = 2 * REACH + 1


def corners_of(ab: Tensor) -> tuple[Tensor, Tensor]:
    """Return the four bins around each colour of (N, 2, H, W), and its shares of them.

    Returns:
        cells: (N, 4, H, W) int64, in the plane of `SIDE` x `SIDE` bins, row after row.
        shares: (N, 4, H, W) of sum 1.
    """
    at = (ab / STEP + REACH).clamp(0, SIDE - 1.001)
    below = at.floor()
    a, b = (at - below).unbind(1)
    first = (below[:, 0] * SIDE + below[:, 1]).long()
    cells = torch.stack([first, first + 1, first + SIDE, first + SIDE + 1], 1)
    shares = torch.stack([(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b], 1)
    return cells, shares


def cells_in_gamut() -> Tensor:
    """Return the cells, in rising order (int64), that some colour of sRGB belongs to: the bins there are."""
    levels = torch.linspace(0, 1, 52)
    cube = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij")).view(1, 3, 1, -1)
    cells, shares = corners_of(lab_of(cube)[:, 1:])
    return cells[shares > 0].unique()


def colours_of(cells: Tensor) -> Tensor:
    """Return a and b in the middle of each bin: (B, 2)."""
    return STEP * (torch.stack([cells // SIDE, cells % SIDE], 1) - REACH).float()
