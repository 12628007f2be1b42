"""Find photographs of straight things: facades, rooms, streets, shelves."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from torch import Tensor

LOOKED_AT_PX = 256
"""Long side at which lines are looked for."""
LEAST = 0.06
"""Lines shorter than this share of the long side do not count: grass and cloth have many."""
MANY = 2.6
"""From so much on a photograph shows straight things: 47 of 169 held-out ones do, portraits aside."""
SMALLEST_PX = 280
"""Photographs with a shorter long side are mostly portraits, and are not looked at."""


def straight_lines(photo: Tensor) -> float:
    """Return how much of a photograph (3, H, W), uint8, is straight, 0 where nothing is.

    It is the geometric mean of the lengths of nearly upright lines and of more or less level ones, which perspective
    turns further, over the square root of the area; lines by LSD (Grompone von Gioi et al., 2010).
    """
    grey = cv2.cvtColor(np.ascontiguousarray(photo.permute(1, 2, 0).numpy()), cv2.COLOR_RGB2GRAY)
    factor = LOOKED_AT_PX / max(grey.shape)
    grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    lines = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE).detect(grey)[0]
    if lines is None:
        return 0.0
    across, down = np.abs(lines[:, 0, 2:] - lines[:, 0, :2]).T
    length = np.hypot(across, down)
    length[length < LEAST * LOOKED_AT_PX] = 0
    upright, level = length[across < 0.12 * down].sum(), length[down < 0.35 * across].sum()
    return float(np.sqrt(upright * level / grey.size))


def of_straight_things(photos: Iterable[Tensor]) -> list[Tensor]:
    """Return those photographs that show straight things."""
    return [photo for photo in photos if max(photo.shape) >= SMALLEST_PX and straight_lines(photo) >= MANY]
