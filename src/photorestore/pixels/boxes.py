"""Choose few boxes that hold all marked cells, so that little else is computed. No torch here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Of cells: first row, row behind the last, first column, column behind the last."""


def boxes_of(cells: Cells, halo: int) -> list[Box]:
    """Return boxes that hold all marked cells, none twice.

    What lies between is in a box where to compute both parts by themselves would cost more, halos included.

    Args:
        cells: (h, w).
        halo: cells that are computed around a box.
    """

    def apart(box: Box) -> list[Box]:
        """Return a box, or what becomes of it when it is split wherever nothing is between, if that costs less."""
        boxes = [each for half in _halves(cells, box) for each in apart(half)]
        cost = sum(_size(with_halo(part, halo, cells.shape)) for part in boxes)
        return boxes if boxes and cost < _size(with_halo(box, halo, cells.shape)) else [box]

    return apart(_shrunk(cells, (0, cells.shape[0], 0, cells.shape[1]))) if cells.any() else []


def with_halo(box: Box, halo: int, size: tuple[int, ...]) -> Box:
    """Return a box with a halo, as far as there are cells."""
    top, bottom, left, right = box
    return max(0, top - halo), min(size[0], bottom + halo), max(0, left - halo), min(size[1], right + halo)


def _size(box: Box) -> int:
    top, bottom, left, right = box
    return (bottom - top) * (right - left)


def _halves(cells: Cells, box: Box) -> tuple[Box, ...]:
    """Return the two boxes on the sides of the widest band of empty rows or columns; nothing if there is no band."""
    top, bottom, left, right = box
    inside = cells[top:bottom, left:right]
    height, above = _widest_band(np.flatnonzero(inside.any(1)))
    width, before = _widest_band(np.flatnonzero(inside.any(0)))
    if max(height, width) == 0:
        return ()
    if height >= width:
        halves = (top, top + above, left, right), (top + above, bottom, left, right)
    else:
        halves = (top, bottom, left, left + before), (top, bottom, left + before, right)
    return tuple(_shrunk(cells, half) for half in halves)


def _widest_band(full: npt.NDArray[np.intp]) -> tuple[int, int]:
    """Return how many lines the widest band between those named has, and its first; of several bands the middle one.

    Where cells lie in a row, halves are of one length then: one cell after the other would take too many steps.
    """
    bands = np.diff(full, append=full[-1] + 1) - 1
    widest = np.flatnonzero(bands == bands.max())
    return int(bands.max()), int(full[widest[len(widest) // 2]]) + 1


def _shrunk(cells: Cells, box: Box) -> Box:
    """Return a box without empty rows and columns at its sides."""
    top, bottom, left, right = box
    inside = cells[top:bottom, left:right]
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return int(top + rows[0]), int(top + rows[-1] + 1), int(left + columns[0]), int(left + columns[-1] + 1)
