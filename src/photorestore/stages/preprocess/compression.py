"""Read from a JPEG's quantisation table how much was lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

FINE_STEPS = 16
"""How many of a table's finest steps tell how coarse it is."""
COARSE_POWER = 0.42
"""Artefacts grow with this power of the mean of these steps."""
GREY_ARTEFACTS = 1.65
COLOUR_ARTEFACTS = 2.1
"""Standard deviation of a JPEG's artefacts divided by that power, in a photograph of usual detail; nearly the same from
quality 8 to 75 (`training/tune_levels.py`)."""

_IJG_LUMINANCE = (  # the standard's table K.1 by rising value: only its sum is used
    *(10, 11, 12, 12, 13, 14, 14, 14, 16, 16, 16, 17, 18, 19, 22, 22, 24, 24, 24, 26, 29, 35, 37, 40, 40, 49),
    *(51, 51, 55, 55, 56, 56, 57, 58, 60, 61, 62, 64, 64, 68, 69, 72, 77, 78, 80, 81, 87, 87, 92, 92, 95, 98),
    *(99, 100, 101, 103, 103, 103, 104, 109, 112, 113, 120, 121),
)


def jpeg_quality(quantisation: Sequence[int]) -> int:
    """Return the quality at which libjpeg would have made a luminance table of the same coarseness."""
    found = sum(quantisation)
    return min(range(1, 101), key=lambda quality: (abs(_table_sum(quality) - found), -quality))


def artefacts_of(quantisation: Sequence[int], *, is_grey: bool) -> float:
    """Return the standard deviation of a JPEG's artefacts, in 8-bit units, in a photograph of usual detail.

    What is smaller than a step is lost, so coarser steps lose more. How much detail there was to lose does not count:
    the denoiser sees that, and has learned the level as a label of the table.

    Args:
        quantisation: the JPEG's first table, 64 steps in any order.
    """
    step = float(np.mean(sorted(quantisation)[:FINE_STEPS]))
    share = GREY_ARTEFACTS if is_grey else COLOUR_ARTEFACTS
    return float(share * step**COARSE_POWER)


@cache
def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((entry * scale + 50) // 100, 1), 255) for entry in _IJG_LUMINANCE)
