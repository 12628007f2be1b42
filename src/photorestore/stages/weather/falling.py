"""Tell from a few windows of a picture how much rain or snow falls in it."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import to_float
from photorestore.workspace import Array

WINDOW_PX, WINDOWS = 256, 2
"""Side of a window, and how many are looked at along each side of the picture."""
STEP = 0.03
"""Change of a pixel's brightness that counts."""


def darkened_share(image: Array, network: Runner[torch.Tensor]) -> float:
    """Return the share of pixels that the network darkens, less that which it brightens, -1 to 1.

    What falls is brighter than what is behind it: a photograph's own texture, where it is taken for streaks, is
    changed both ways.

    Args:
        image: (3, H, W); of its windows the one that is changed most counts.
        network: takes rain and snow out.
    """
    return max(_share(to_float(window)[None], network) for window in _windows(image))


def _share(seen: torch.Tensor, network: Runner[torch.Tensor]) -> float:
    change = (seen - network(seen)).mean(1)
    return float((change > STEP).float().mean() - (change < -STEP).float().mean())


def _windows(image: Array) -> Iterator[Array]:
    """Yield windows of a plane, evenly spread, which do not overlap where it is large."""
    _, height, width = image.shape
    for top in _starts(height):
        for left in _starts(width):
            yield image[:, top : top + WINDOW_PX, left : left + WINDOW_PX]


def _starts(length: int) -> list[int]:
    """Return where windows begin along a side."""
    if length <= WINDOW_PX:
        return [0]
    return [round((length - WINDOW_PX) * (at + 0.5) / WINDOWS) for at in range(WINDOWS)]
