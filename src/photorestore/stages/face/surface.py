"""Give a refined face its grain back, which the refiner takes for noise; without it, skin looks too smooth."""

from __future__ import annotations

import numpy as np

from photorestore.pixels.bands import strips
from photorestore.pixels.grain import BLOCK_PX, Grain
from photorestore.stages.face.geometry import Alignment, face_mask, region_of, warp
from photorestore.workspace import Array


def give_grain_back(
    target: Array, before: Array, alignment: Alignment, strength: float = 1.0, most_255: float = 255.0
) -> None:
    """Give a refined face the grain that it and its surroundings had before, in place.

    Args:
        target: (3, H, W), writable: the picture with the refined face.
        before: (3, H, W): the picture without.
        alignment: how the face lies in both.
        strength: 0 to 1, of refining.
        most_255: see `Grain.of`.
    """
    rows, columns = region_of(before, alignment)
    _, h, w = before.shape
    # With a margin, and aligned to blocks, so that the grain depends on the place in the picture only.
    top, left = (max(0, part.start // BLOCK_PX - 1) * BLOCK_PX for part in (rows, columns))
    bottom, right = min(h, rows.stop + BLOCK_PX), min(w, columns.stop + BLOCK_PX)
    part = np.s_[:, top:bottom, left:right]
    weight = np.zeros((1, bottom - top, right - left), np.uint8)
    for band in strips(rows.stop, columns.stop - columns.start, rows.start):
        to_crop = alignment.inverse().shifted(columns.start, band.start)
        size_hw = (band.stop - band.start, columns.stop - columns.start)
        share = warp(face_mask(), to_crop, size_hw, padding="zeros").clamp(0, 1)
        weight[:, band.start - top : band.stop - top, columns.start - left : columns.stop - left] = (
            (255 * share).round().byte().numpy()
        )
    if grain := Grain.of(before[part], None, most_255):
        grain.add(target[part], weight, strength)
