"""Demosaick a raw file by the network, told the noise that the mosaic shows."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob
from photorestore.pixels.region import blocks_of
from photorestore.stages.preprocess.noise import noise_of, shrunk, unclipped
from photorestore.workspace import Array

BLOCK_PX, BLOCKS_PER_SIDE = 32, 16
"""Samples of a mosaic whose noise is measured: their sides, in pixels of one colour, and how many along a side."""
LONGEST_STEP = 16
"""Between pixels of one colour that a grid may have."""
WHITE_RATIO, TEXTURE_RATIO = 0.25, 1.0
"""Variance at half the size over that at full size: of white noise, and of texture taken for noise. More than 1 makes
noisy training photographs better by .1 dB and clean ones worse by as much; sensors' files are mostly clean."""
MOST_SIGMA = 20 / 255
"""The network learned no more."""


def demosaick(
    network: Runner[Tensor], sigma_255: float | None, mosaic: Array, pattern: Array, target: Array
) -> None:
    """Fill in the colours that each pixel lacks; see `decoders.raw.Demosaic`.

    Args:
        network: a `Demosaicker`.
        sigma_255: the noise's level, if the caller knows it.
    """
    sigma = (noise_in(mosaic, pattern) if sigma_255 is None else sigma_255) / 255
    values: dict[str, object] = {"sigma": min(sigma, MOST_SIGMA)}
    network.fill([TileJob({"mosaic": mosaic, "pattern": pattern}, target, None, values)])


def noise_in(mosaic: Array, pattern: Array) -> float:
    """Estimate the deviation of white noise in a mosaic, in 8-bit units; 0 where too little of it is of one colour.

    Every pattern has pixels of one colour on a coarser grid: those of Bayer with a step of 2, X-Trans with one of 3.
    What these show is a picture, and so its noise is estimated as that of a picture is; but it is small, and what of
    the estimate does not fade at half its size as white noise does is texture, not noise.

    Args:
        mosaic: (1, H, W), uint16.
        pattern: (3, H, W), uint8, 255 where a channel was measured.
    """
    step, starts = _grids(pattern)
    planes = [mosaic[0, top::step, left::step] for top, left in starts]
    h, w = (min(plane.shape[axis] for plane in planes) if planes else 0 for axis in (0, 1))
    if min(h, w) < BLOCK_PX:
        return 0.0
    # The estimate takes three channels.
    chosen = np.stack([planes[len(planes) * index // 3][:h, :w] for index in range(3)])
    blocks = blocks_of(chosen.astype(np.uint16), None, BLOCK_PX, BLOCKS_PER_SIDE)
    if blocks is None:
        return 0.0
    alive = unclipped(blocks)
    whole, halved = noise_of(alive) ** 2, noise_of(shrunk(alive, 2)) ** 2
    return math.sqrt(max(0.0, TEXTURE_RATIO * whole - halved) / (TEXTURE_RATIO - WHITE_RATIO))


def _grids(pattern: Array) -> tuple[int, list[tuple[int, int]]]:
    """Return the least step of grids whose pixels measured one colour, and where these begin."""
    corner = pattern[:, : 2 * LONGEST_STEP, : 2 * LONGEST_STEP]
    for step in range(1, LONGEST_STEP + 1):
        starts = [
            (top, left)
            for top, left in product(range(step), repeat=2)
            if corner[:, top::step, left::step].all(axis=(1, 2)).any()
        ]
        if starts:
            return step, starts
    return LONGEST_STEP, []
