"""Take small views of a plane, by which a whole picture is judged."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photorestore.pixels.region import every_nth, in_8_bits, is_opaque
from photorestore.workspace import Array

VIEW_PX = 320
"""About the longest side of the view from which tone is judged."""


def view_of(image: Array, side_px: int) -> npt.NDArray[np.uint8]:
    """Return every n-th pixel of a plane, (3, h, w) in 8 bits, so that the longest side is about `side_px`."""
    return in_8_bits(reduced(image, side_px))


def reduced(plane: Array, side_px: int) -> Array:
    """Return a view of every n-th pixel of a plane (C, H, W), so that the longest side is about `side_px`."""
    return every_nth(plane, max(1, max(plane.shape[1:]) // side_px))


def shown_view(image: Array, alpha: Array | None, side_px: int) -> npt.NDArray[np.uint8]:
    """Return `view_of` a plane; if only some of its pixels are opaque, only these, as (3, n)."""
    view = view_of(image, side_px)
    opaque = None if alpha is None else is_opaque(reduced(alpha, side_px)[0])
    return view if opaque is None or opaque.all() or not opaque.any() else view[:, opaque]
