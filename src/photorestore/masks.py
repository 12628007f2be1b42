"""From the probability of damage to the mask that is filled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photorestore.workspace import Array

CERTAIN = 0.5
"""A defect counts where its probability rises somewhere from the threshold this far towards 1."""
REACH_PX = 6
"""Pixels above the threshold count only this near to a certain one: faint ends of a scratch stay, faint specks go."""
GROW_PX = 1
"""The mask is grown by this: the rim of a defect is damaged too, if less."""
TINY_COVERAGE = 5e-5
"""A mask of a smaller share of the picture is taken for a mistake of the detector and left empty."""
ROWS = 512
"""Rows worked on at a time, so that memory does not grow with the picture."""

Mask = npt.NDArray[np.uint8]
Marked = npt.NDArray[np.bool_]


def clean_mask(prob: Array, threshold: float = 0.5) -> Mask:
    """Decide what to fill.

    Args:
        prob: scratch_prob, (1, H, W), uint8 or uint16 of full range.
        threshold: in (0, 1); the detector's own is in `estimates["scratch"]["threshold"]`.

    Returns:
        (1, H, W) uint8, 255 = fill, 0 = keep; all 0 when less than `TINY_COVERAGE` was found.
    """
    _, h, w = prob.shape
    full = int(np.iinfo(prob.dtype).max)
    low, high = round(threshold * full), round((threshold + CERTAIN * (1 - threshold)) * full)
    halo = REACH_PX + GROW_PX
    mask = np.zeros((1, h, w), np.uint8)
    for top in range(0, h, ROWS):
        start, stop = max(0, top - halo), min(h, top + ROWS + halo)
        band = prob[0, start:stop]
        kept = (band >= low) & dilate(band >= high, REACH_PX)
        mask[0, top : top + ROWS] = dilate(kept, GROW_PX)[top - start :][:ROWS] * np.uint8(255)
    if coverage(mask) < TINY_COVERAGE:
        mask[:] = 0
    return mask


def coverage(mask: Mask) -> float:
    """Share of the pixels that a mask marks."""
    return float(np.count_nonzero(mask)) / mask.size


def dilate(marked: Marked, radius_px: int) -> Marked:
    """Mark everything within a square of `radius_px` around marked pixels of (H, W)."""
    if not marked.any():
        return marked
    return _spread(_spread(marked, radius_px).T, radius_px).T


def _spread(marked: Marked, radius_px: int) -> Marked:
    """Mark `radius_px` rows above and below marked ones."""
    grown = marked.copy()
    for step in range(1, radius_px + 1):
        grown[step:] |= marked[:-step]
        grown[:-step] |= marked[step:]
    return grown
