"""Turn the probability of damage into a mask of it, and into what is filled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photorestore.pixels.bands import bands_with_halo
from photorestore.workspace import Array

FOUND = 0.5
"""Probability from which the detector alone would call a pixel damaged."""
CERTAIN_IN_DAMAGED = 0.5
CERTAIN_IN_PRINTS = 0.98
CERTAIN_IN_OTHERS = 0.9995
"""A defect counts if its probability rises somewhere to this: in damaged pictures, in old prints that do not seem to be
damaged, and in others. Of 59 held-out photographs, aged as prints, .098 % is marked at .5 and .133 at .4; the F1 of
real held-out damage is .67 and .69, its precision .81 and .78."""
MOST_IN_DAMAGED = 0.25
"""Greatest share of a damaged picture that is filled: less would be left than is needed to fill it by."""
MOST_IN_OTHERS = 0.003
"""In other pictures, a larger share than this is taken for texture."""
FOLLOWED = 0.5
STEP_PX = 3
STEPS = 2
"""From where it counts a defect is followed, in `STEPS` steps of `STEP_PX`, while its probability is above `FOLLOWED`:
so faint ends of a scratch stay, and faint specks go."""
FOLLOWED_PX = STEPS * STEP_PX
"""How far a defect may be followed."""
GROW_PX = 1
"""What is filled is grown by this, because the rim of a defect is damaged too, if less."""
TINY_COVERAGE = 5e-5
"""A mask of a smaller share of the picture is taken for a mistake of the detector and left empty."""
ROWS = 512
"""Rows worked on at a time, so that memory does not grow with the picture."""

Mask = npt.NDArray[np.uint8]
Marked = npt.NDArray[np.bool_]


def find_damage(prob: Array, certain: float) -> Mask:
    """Decide what is damaged.

    Args:
        prob: scratch_prob, (1, H, W), uint8 or uint16 of full range.
        certain: probability to which a defect must rise, one of `CERTAIN_IN_DAMAGED`, `CERTAIN_IN_PRINTS`,
            `CERTAIN_IN_OTHERS`. The less a picture seems to be damaged, the likelier what was found is its own detail.

    Returns:
        (1, H, W) uint8, 255 = damage, 0 = sound; all 0 when less than `TINY_COVERAGE` was found.
    """
    mask = clean_mask(prob, certain)
    most = MOST_IN_OTHERS if certain == CERTAIN_IN_OTHERS else MOST_IN_DAMAGED
    if not TINY_COVERAGE <= coverage(mask) <= most:
        mask[:] = 0
    return mask


def clean_mask(prob: Array, certain: float) -> Mask:
    """Return the defects that rise to the probability `certain`, followed down to `FOLLOWED`; (1, H, W), 0 or 255."""
    full = int(np.iinfo(prob.dtype).max)
    mask = np.zeros(prob.shape, np.uint8)
    for rows, around in bands_with_halo(prob.shape[1], ROWS, FOLLOWED_PX):
        band = prob[0, around]
        defects = follow(band >= certain * full, band >= FOLLOWED * full)
        mask[0, rows] = defects[rows.start - around.start :][: rows.stop - rows.start] * np.uint8(255)
    return mask


def trusted(prob: Array, mask: Array) -> Marked:
    """Return the defects of a mask (1, H, W) that are damage beyond doubt, where the probability is full; (H, W)."""
    full = np.iinfo(prob.dtype).max
    found = np.zeros(mask.shape[1:], np.bool_)
    for rows, around in bands_with_halo(len(found), ROWS, FOLLOWED_PX):
        marked = mask[0, around] > 0
        defects = follow(marked & (prob[0, around] == full), marked)
        found[rows] = defects[rows.start - around.start :][: rows.stop - rows.start]
    return found


def grow(mask: Mask) -> Mask:
    """Return what is to be filled for a mask of damage (1, H, W): it and `GROW_PX` around it."""
    grown = np.zeros_like(mask)
    for rows, around in bands_with_halo(mask.shape[1], ROWS, GROW_PX):
        band = dilate(mask[0, around] > 0, GROW_PX)
        grown[0, rows] = band[rows.start - around.start :][: rows.stop - rows.start] * np.uint8(255)
    return grown


def follow(seeds: Marked, candidates: Marked) -> Marked:
    """Return the seeds and the candidates that can be reached from them in `STEPS` steps of `STEP_PX`."""
    for _ in range(STEPS):
        if not seeds.any():
            break
        seeds = dilate(seeds, STEP_PX) & candidates
    return seeds


def coverage(mask: Mask) -> float:
    """Return the share of pixels that a mask marks."""
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
