"""The weights of luma. No torch here: the REST edge imports this module."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""


def luma_of(channels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the luma (...), float32, of floating-point channels (3, ...), in their units."""
    red, green, blue = channels
    luma: npt.NDArray[np.float32] = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).astype(np.float32)
    return luma
