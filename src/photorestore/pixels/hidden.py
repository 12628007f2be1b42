"""Replace the colours of fully transparent pixels, which may be anything, and put them back.

Before any stage looks at a picture they are replaced by what is visible around them, so that they count nowhere. A
result of the upload's size gets them back. No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photorestore.pixels.bands import masked_bands
from photorestore.pixels.surroundings import Surroundings, enlarged
from photorestore.workspace import CALLERS_MASK, Array, Workspace

NEAR_PX = 8
"""Hidden pixels this near to visible ones take their colour, others that of their wider surroundings."""
FULL_SHARE = 0.25
"""From this share of visible pixels nearby, only these count."""
LEAST_SHARE = 1e-6
"""Smaller shares are rounding errors."""
BAND_ROWS = 128
"""Rows worked on at a time, so that memory does not grow with the picture."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def is_hidden(alpha: Array) -> Bools:
    """Return where an alpha plane (1, H, W) is 0 in 8 bits: (H, W)."""
    hidden: Bools = alpha[0] <= np.iinfo(alpha.dtype).max // 510
    return hidden


def cover(workspace: Workspace, image: Array, alpha: Array | None) -> None:
    """Give the hidden pixels of a writable plane (3, H, W) the colours of what is visible around them.

    Their own colours go into the plane `hidden`, (3, 1, n). Where nothing is visible they become black.
    """
    if alpha is None or not (hidden := is_hidden(alpha)).any():
        return
    with workspace.new_plane("hidden", (3, 1, int(np.count_nonzero(hidden))), image.dtype.name) as kept:
        for channel, values in zip(kept, image, strict=True):
            channel[0] = values[hidden]
    mask = hidden[np.newaxis].view(np.uint8)
    surroundings = Surroundings.of(image, mask)
    for rows, columns in masked_bands(mask, BAND_ROWS):
        colours = _around(image, alpha, rows, columns, enlarged(surroundings.mean, rows, columns))
        colours = np.rint(colours).astype(image.dtype)
        np.copyto(image[:, rows, columns], colours, where=hidden[rows, columns])


def _around(image: Array, alpha: Array, rows: slice, columns: slice, far: Floats) -> Floats:
    """Return the colours (3, h, w) of what is visible near each pixel, blended with `far` where that is little."""
    _, h, w = image.shape
    top, left = max(0, rows.start - NEAR_PX), max(0, columns.start - NEAR_PX)
    part = slice(top, min(h, rows.stop + NEAR_PX)), slice(left, min(w, columns.stop + NEAR_PX))
    weight = alpha[:, *part] * (~is_hidden(alpha[:, *part]) / np.iinfo(alpha.dtype).max)
    sums = _nearby(_nearby(np.concatenate([image[:, *part] * weight, weight]), 1), 2)
    inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    colours, share = sums[:3, *inside], sums[3:, *inside]
    near = np.divide(colours, share, out=far.copy(), where=share > LEAST_SHARE)
    return far + np.minimum(share / FULL_SHARE, 1) * (near - far)


def _nearby(values: Floats, axis: int) -> Floats:
    """Return means over `NEAR_PX` to both sides along an axis, with zeros beyond the ends."""
    side = 2 * NEAR_PX + 1
    width = [(0, 0)] * 3
    width[axis] = (NEAR_PX + 1, NEAR_PX)
    sums = np.cumsum(np.pad(values, width), axis=axis)
    last, first = (np.take(sums, range(at, at + values.shape[axis]), axis=axis) for at in (side, 0))
    return (last - first) / side


def with_hidden(workspace: Workspace, image: Array, *, heed_mask: bool = True) -> Array:
    """Return the result (3, H, W) with the upload's own colours where it is transparent and no mask says to fill it.

    A picture without such pixels, or that was enlarged, is returned as it is.

    Args:
        heed_mask: False gives the upload's own colours also where a mask says to fill it.
    """
    planes = workspace.envelope.planes
    if "hidden" not in planes or image.shape != planes["image"].shape:
        return image
    kept, hidden = workspace.plane("hidden"), is_hidden(workspace.plane("alpha"))
    factor = np.array(np.iinfo(image.dtype).max // np.iinfo(kept.dtype).max, image.dtype)
    stays = np.ones(kept.shape[2], bool)
    if heed_mask and workspace.is_marked:
        stays = workspace.plane(CALLERS_MASK)[0][hidden] == 0
    hidden[hidden] = stays
    whole: Array = image.copy()
    for values, channel in zip(whole, kept, strict=True):
        values[hidden] = channel[0][stays] * factor
    return whole
