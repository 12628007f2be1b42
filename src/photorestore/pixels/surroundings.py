"""Measure what lies around the holes of a picture, and keep what fills them close to it.

A network that fills a wide hole sees no picture in its middle, and drifts: in a wall of one colour it may be off by
half of the range. Around each place the known pixels have a mean and a spread. A filling may differ from the mean by a
multiple of the spread, so that one colour stays one colour while texture keeps its freedom.

Means and spreads are those of squares of `CELL_PX`; where no pixel of a square is known, a pyramid of larger squares
tells (push-pull: Gortler et al., The Lumigraph, 1996). They belong to the whole picture, so that tiles do not show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photorestore.pixels.bands import bands, masked_bands
from photorestore.pixels.squares import CELL_PX
from photorestore.workspace import Array

Floats = npt.NDArray[np.float64]

LEAST_FREEDOM, MORE_FREEDOM = 0.7, 8.0
"""A filling may differ from the mean of its surroundings by so many of their standard deviations: the least where
nothing near is known, more by the share that is known, since there the network sees more of the picture. On training
photographs with strokes and patches nothing is lost, with holes of half the picture's side .6 dB are gained."""
BAND_CELLS = 4
"""Rows of cells worked on at a time, so that memory does not grow with the picture."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Mean and spread of what is known around every cell, in the picture's own integers.

    Attributes:
        mean: (C, ceil(H / CELL_PX), ceil(W / CELL_PX)).
        freedom: the same shape: how far from the mean a filling may be.
    """

    mean: Floats
    freedom: Floats

    @classmethod
    def of(cls, image: Array, mask: Array) -> Surroundings:
        """Measure a picture (C, H, W), whose pixels are known where the mask (1, H, W) is 0."""
        channels, h, w = image.shape
        rows, columns = -(-h // CELL_PX), -(-w // CELL_PX)
        moments = np.empty((2 * channels + 1, rows, columns))  # sums of values and of squares, and how many
        for band in bands(rows, BAND_CELLS):
            pixels = slice(band.start * CELL_PX, band.stop * CELL_PX)
            known = (mask[:, pixels] == 0).astype(np.float64)
            values = image[:, pixels] * known
            moments[:, band] = _cell_sums(np.concatenate([values, values * values, known]))
        moments = _widened(moments)
        filled = pull_push(moments)
        mean, square = filled[:channels], filled[channels:]
        variance = np.maximum(square - mean * mean, 0)
        spread = np.where(variance < 1e-9 * square, 0, np.sqrt(variance))
        if not moments[-1].any():  # nothing is known: nothing is forbidden
            spread[:] = np.iinfo(image.dtype).max / LEAST_FREEDOM
        share = moments[-1:] / _widened(np.outer(_sides(h), _sides(w))[np.newaxis])
        return cls(mean, (LEAST_FREEDOM + MORE_FREEDOM * share) * spread)

    def hold(
        self, target: Array, image: Array, mask: Array, strength: float = 1.0, *, keeps_image: bool = False
    ) -> None:
        """Clip what fills the mask to what its surroundings allow, in place.

        Args:
            target: (C, H, W), writable, of the type that the surroundings were taken from: the filled picture.
            image: (C, H, W), uint8 or `target`'s type: the picture before.
            mask: (1, H, W), above 0 = filled; other pixels stay as they are.
            strength: how much of the filling was blended in.
            keeps_image: whether a pixel may also stay as it was in `image`, or anything between.
        """
        factor = np.iinfo(target.dtype).max // np.iinfo(image.dtype).max
        for rows, columns in masked_bands(mask, BAND_CELLS * CELL_PX):
            mean, freedom = (enlarged(cells, rows, columns) for cells in (self.mean, self.freedom))
            before = image[:, rows, columns] * np.float64(factor)
            low, high = mean - freedom, mean + freedom
            if keeps_image:
                low, high = np.minimum(low, before), np.maximum(high, before)
            low, high = (np.rint(before + strength * (end - before)) for end in (low, high))
            held = np.clip(target[:, rows, columns], low, high).astype(target.dtype)
            np.copyto(target[:, rows, columns], held, where=mask[:, rows, columns] > 0)


def pull_push(moments: Floats) -> Floats:
    """Turn sums (C + 1, h, w) over known pixels, the last channel being their number, into means everywhere (C, h, w).

    Where little is known the next coarser square counts as well, and so on.
    """
    sums, known = moments[:-1], moments[-1:]
    if max(known.shape[1:]) == 1:
        coarse = np.zeros_like(sums)
    else:
        coarse = _doubled(pull_push(_halved(moments)), known.shape[1:])
    share = np.minimum(known / (CELL_PX * CELL_PX), 1.0)
    means = np.divide(sums, known, out=coarse.copy(), where=known > 0)
    return share * means + (1 - share) * coarse


def enlarged(cells: Floats, rows: slice, columns: slice) -> Floats:
    """Interpolate cells (C, h, w) for some rows and columns of the picture's pixels."""
    return _interpolated(_interpolated(cells, rows, axis=1), columns, axis=2)


def _interpolated(cells: Floats, pixels: slice, axis: int) -> Floats:
    at = (np.arange(pixels.start, pixels.stop) + 0.5) / CELL_PX - 0.5
    at = at.clip(0, cells.shape[axis] - 1)
    low = at.astype(np.intp)
    high = np.minimum(low + 1, cells.shape[axis] - 1)
    shape = [1, 1, 1]
    shape[axis] = -1
    share = (at - low).reshape(shape)
    first, second = (np.take(cells, index, axis=axis) for index in (low, high))
    return first + share * (second - first)


def _cell_sums(values: Floats) -> Floats:
    """Sums over squares of `CELL_PX`; the last ones of a row or column may be smaller."""
    _, h, w = values.shape
    rows, columns = np.arange(0, h, CELL_PX), np.arange(0, w, CELL_PX)
    return np.add.reduceat(np.add.reduceat(values, rows, axis=1), columns, axis=2)


def _sides(length: int) -> Floats:
    """Pixels along each cell of an axis."""
    return np.minimum(CELL_PX, length - np.arange(0, length, CELL_PX)).astype(np.float64)


def _widened(moments: Floats) -> Floats:
    """Add its eight neighbours to each cell."""
    padded = np.pad(moments, ((0, 0), (1, 1), (1, 1)))
    across = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return across[:, :-2] + across[:, 1:-1] + across[:, 2:]


def _halved(moments: Floats) -> Floats:
    """Sums of 2x2 cells."""
    padded = np.pad(moments, ((0, 0), (0, moments.shape[1] % 2), (0, moments.shape[2] % 2)))
    return padded[:, ::2, ::2] + padded[:, 1::2, ::2] + padded[:, ::2, 1::2] + padded[:, 1::2, 1::2]


def _doubled(cells: Floats, shape: tuple[int, ...]) -> Floats:
    """Cells twice as fine, interpolated, of the height and width `shape`."""
    for axis, side in ((1, shape[0]), (2, shape[1])):
        at = ((np.arange(side) + 0.5) / 2 - 0.5).clip(0, cells.shape[axis] - 1)
        low = at.astype(np.intp)
        high = np.minimum(low + 1, cells.shape[axis] - 1)
        shares = (at - low).reshape([-1 if this == axis else 1 for this in range(3)])
        first, second = (np.take(cells, index, axis=axis) for index in (low, high))
        cells = first + shares * (second - first)
    return cells
