"""Detect at several scales: shrink a plane to half and a quarter, and fuse what is found in each view.

At native resolution a detector does not recognise a crack forty pixels wide; at a quarter of the size it does. Work is
done in bands of rows, so that memory does not grow with the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from photorestore.networks.blocks import enlarge_bilinear
from photorestore.pixels.bands import bands
from photorestore.workspace import Array

LEAST_SIDE_PX = 96
"""A view with a shorter side than this is of no use."""
FROM_PX = {2: 1200, 4: 2400}
"""By factor, how long a picture's long side must be. Smaller pictures lose: on marked prints of 500 px the F1
falls from .52 to .38, on the same prints at 1,000 px it rises from .45 to .51 (`training/tune_masks.py`)."""
BAND_ROWS = 512
"""Rows worked on at a time; a multiple of every factor."""


def factors_of(height: int, width: int) -> tuple[int, ...]:
    """Return the factors by which a picture is also looked at shrunk; none for a small one."""
    return tuple(
        factor
        for factor, from_px in FROM_PX.items()
        if max(height, width) >= from_px and min(height, width) >= factor * LEAST_SIDE_PX
    )


def shrunk(plane: Array, factor: int) -> Array:
    """Shrink a plane (C, H, W): squares of `factor` px become their mean, last row and column repeated."""
    channels, h, w = plane.shape
    small = np.empty((channels, -(-h // factor), -(-w // factor)), plane.dtype)
    for rows in bands(h, BAND_ROWS):
        band = plane[:, rows]
        missing = (-band.shape[1] % factor, -w % factor)
        filled = np.pad(band, ((0, 0), (0, missing[0]), (0, missing[1])), mode="edge")
        squares = filled.reshape(channels, filled.shape[1] // factor, factor, -1, factor)
        means = squares.mean(axis=(2, 4), dtype=np.float32)
        small[:, rows.start // factor :][:, : means.shape[1]] = np.round(means)
    return small


def fuse(probs: Sequence[Array], factors: Sequence[int], target: Array) -> None:
    """Write the greatest probability that any scale gives.

    Args:
        probs: (1, ceil(H / factor), ceil(W / factor)) uint16 each, the full size first.
        factors: 1, 2, ...: by how much each is shrunk.
        target: (1, H, W) uint16.
    """
    _, h, w = target.shape
    for rows in bands(h, BAND_ROWS):
        target[0, rows] = probs[0][0, rows]
        for prob, factor in zip(probs[1:], factors[1:], strict=True):
            np.maximum(target[0, rows], _enlarged(prob[0], factor, rows, w), out=target[0, rows])


def _enlarged(prob: Array, factor: int, rows: slice, width: int) -> npt.NDArray[np.uint16]:
    """Some rows of the full size, interpolated between those of (h, w)."""
    first, last = rows.start // factor, -(-rows.stop // factor)
    low, high = max(0, first - 1), min(prob.shape[0], last + 1)  # with neighbours, so that bands do not show
    known = torch.from_numpy(prob[low:high].astype(np.float32))[None, None]
    large = enlarge_bilinear(known, factor)[0, 0].numpy()
    part = large[rows.start - low * factor :][: rows.stop - rows.start, :width]
    return np.round(part).astype(np.uint16)
