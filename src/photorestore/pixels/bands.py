"""Cut planes into bands of rows, so that memory does not grow with the picture. No torch here: the edge uses it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

STRIP_PX = 500_000
"""Pixels worked on at a time, so that what lies between stays in the processor's cache."""


def bands(height: int, rows: int, start: int = 0) -> Iterator[slice]:
    """Yield slices of `rows` rows from `start` to `height`; the last one may be smaller."""
    for top in range(start, height, rows):
        yield slice(top, min(top + rows, height))


def bands_with_halo(height: int, rows: int, halo: int) -> Iterator[tuple[slice, slice]]:
    """Yield bands of `rows` rows, and each with up to `halo` rows above and below it."""
    for band in bands(height, rows):
        yield band, slice(max(0, band.start - halo), min(height, band.stop + halo))


def strips(height: int, width: int, start: int = 0) -> Iterator[slice]:
    """Yield slices of rows, from `start` to `height`, of about `STRIP_PX` pixels."""
    return bands(height, max(1, STRIP_PX // width), start)


def masked_bands(
    mask: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], rows: int
) -> Iterator[tuple[slice, slice]]:
    """Yield bands of `rows` rows, and the columns from the first to the last pixel of a mask (1, H, W) in them."""
    for band in bands(mask.shape[1], rows):
        columns = np.flatnonzero(mask[0, band].any(axis=0))
        if len(columns):
            yield band, slice(int(columns[0]), int(columns[-1]) + 1)
