"""Detection at several scales: views of a plane at half and a quarter of its size, and one answer from all of them.

A detector that looks at native resolution does not see a crack forty pixels wide as a crack; at a quarter of the size
it does. Work is done in bands of rows, so that memory does not grow with the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from photorestore.workspace import Array

Floats = npt.NDArray[np.float32]

LEAST_SIDE_PX = 96
"""A view whose short side would be smaller tells nothing."""
QUARTER_FROM_PX = 1400
"""Pictures whose long side is at least this are looked at at a quarter of their size, too."""
BAND_ROWS = 512
"""Rows worked on at a time; a multiple of every factor."""
WEIGHTS = {1: (1.0,), 2: (0.5, 0.5), 3: (0.4, 0.35, 0.25)}
"""By number of scales, how much the logit of each counts, from the full size down."""


def factors_of(height: int, width: int) -> tuple[int, ...]:
    """By what a picture is to be shrunk beside its full size; nothing for a small one."""
    factors = []
    if min(height, width) >= 2 * LEAST_SIDE_PX:
        factors.append(2)
    if max(height, width) >= QUARTER_FROM_PX and min(height, width) >= 4 * LEAST_SIDE_PX:
        factors.append(4)
    return tuple(factors)


def shrunk(plane: Array, factor: int) -> Array:
    """A plane (C, H, W) of which squares of `factor` px become their mean; the last row and column fill up."""
    channels, h, w = plane.shape
    small = np.empty((channels, -(-h // factor), -(-w // factor)), plane.dtype)
    for top in range(0, h, BAND_ROWS):
        band = plane[:, top : top + BAND_ROWS]
        missing = (-band.shape[1] % factor, -w % factor)
        filled = np.pad(band, ((0, 0), (0, missing[0]), (0, missing[1])), mode="edge")
        squares = filled.reshape(channels, filled.shape[1] // factor, factor, -1, factor)
        means = squares.mean(axis=(2, 4), dtype=np.float32)
        small[:, top // factor :][:, : means.shape[1]] = np.round(means)
    return small


def fuse(probs: Sequence[Array], factors: Sequence[int], target: Array) -> None:
    """Write one probability from those at several scales.

    Args:
        probs: (1, ceil(H / factor), ceil(W / factor)) uint16 each; that of the full size comes first.
        factors: 1, 2, ...: by how much each is shrunk.
        target: (1, H, W) uint16.
    """
    _, h, w = target.shape
    weights = WEIGHTS[len(probs)]
    for rows in _bands(h):
        logits = np.zeros((rows.stop - rows.start, w), np.float32)
        for prob, factor, weight in zip(probs, factors, weights, strict=True):
            logits += weight * _enlarged(prob[0], factor, rows, w)
        target[0, rows] = np.round(65535 / (1 + np.exp(-logits)))


def _bands(height: int) -> Iterator[slice]:
    for top in range(0, height, BAND_ROWS):
        yield slice(top, min(top + BAND_ROWS, height))


def _enlarged(prob: Array, factor: int, rows: slice, width: int) -> Floats:
    """Logits of some rows of the full size, interpolated between those of (h, w)."""
    if factor == 1:
        return _logits(prob[rows])
    first, last = rows.start // factor, -(-rows.stop // factor)
    low, high = max(0, first - 1), min(prob.shape[0], last + 1)  # neighbours: bands do not show
    logits = torch.from_numpy(_logits(prob[low:high]))[None, None]
    large = F.interpolate(logits, scale_factor=factor, mode="bilinear", align_corners=False)[0, 0].numpy()
    enlarged: Floats = large[rows.start - low * factor :][: rows.stop - rows.start, :width]
    return enlarged


def _logits(prob: Array) -> Floats:
    share = ((prob.astype(np.float32) + 0.5) / 65536).astype(np.float32)
    logits: Floats = np.log(share / (1 - share))
    return logits
