"""Cut a picture into squares, and these into bands of frequency and direction."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CELL_PX = 16
"""Side of a square."""
RINGS, DIRECTIONS = (1.2, 2.5, 4.0, 7.0, 11.0), 3
"""Bands: where rings of spatial frequency begin, in half periods a cell, and how many directions each is cut into."""


def split(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Split planes (C, H, W), whose sides are multiples of `CELL_PX`, into cells (C, h, w, CELL_PX**2)."""
    c, h, w = plane.shape
    cells = plane.reshape(c, h // CELL_PX, CELL_PX, w // CELL_PX, CELL_PX).swapaxes(2, 3)
    return cells.reshape(c, h // CELL_PX, w // CELL_PX, CELL_PX**2)


def without_plane(cells: Floats) -> Floats:
    """Return cells (..., CELL_PX**2) minus the planes that fit them best."""
    basis = _planes()
    residual: Floats = (cells - (cells @ basis) @ basis.T).astype(np.float32)
    return residual


@cache
def _planes() -> Floats:
    """Return an orthonormal base of the planes over a cell: (CELL_PX**2, 3)."""
    y, x = np.mgrid[-1 : 1 : CELL_PX * 1j, -1 : 1 : CELL_PX * 1j].reshape(2, -1)
    basis: Floats = np.linalg.qr(np.stack([np.ones_like(x), x, y], axis=1))[0].astype(np.float32)
    return basis


@cache
def transform() -> Floats:
    """Return the cosine transform of a cell, (CELL_PX**2, CELL_PX**2)."""
    k = np.arange(CELL_PX)
    waves = np.sqrt(2 / CELL_PX) * np.cos(np.pi * (2 * k + 1) * k[:, None] / (2 * CELL_PX))
    waves[0] /= np.sqrt(2)
    both: Floats = np.kron(waves, waves).T.astype(np.float32)
    return both


@cache
def frequency_bands() -> Floats:
    """Return which coefficients belong to which band, divided by their number: (bands, CELL_PX**2)."""
    down, across = np.mgrid[:CELL_PX, :CELL_PX].reshape(2, -1)
    ring = np.digitize(np.hypot(down, across), RINGS)
    direction = np.minimum(np.arctan2(down, across) / (np.pi / 2) * DIRECTIONS, DIRECTIONS - 1).astype(int)
    band = np.where((ring > 0) & (down + across > 1), ring * DIRECTIONS + direction, 0)
    members = [band == one for one in np.unique(band[band > 0])]
    return np.stack(members).astype(np.float32) / np.float32(CELL_PX**2)
