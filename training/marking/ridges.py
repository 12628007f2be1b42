"""Lay roughly marked lines along the ridge of brightness or darkness that they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals
from skimage.graph import route_through_array

from training.marking.grammar import Mark

Floats = npt.NDArray[np.float32]
Marked = npt.NDArray[np.bool_]
Path = list[tuple[int, int]]
"""Pixels (x, y) along a line."""

SIGMAS_PX = (0.7, 1.0, 1.5, 2.2, 3.0)
SNAP_PX = 2


class Ridges:
    """Strength of bright and of dark ridges at each pixel of a picture."""

    def __init__(self, grey: Floats) -> None:
        bright, dark = _strengths(grey)
        self.of = {"b": bright, "d": dark, "x": np.maximum(bright, dark)}

    def path(self, mark: Mark) -> Path:
        """Return a marked line's pixels: its points snapped to the ridge, and the best way along it between them."""
        strength = self.of[mark.polarity[0]]
        corners = [_snap(x, y, strength) for x, y in mark.points]
        reach = max(3.0, mark.size / 2 + 1.5)
        path: Path = []
        for start, end in pairwise(corners):
            path += _way(start, end, strength, reach)
        return path


def _strengths(grey: Floats) -> tuple[Floats, Floats]:
    bright, dark = np.zeros_like(grey), np.zeros_like(grey)
    for sigma in SIGMAS_PX:
        hessian = hessian_matrix(grey, sigma=sigma, order="rc", use_gaussian_derivatives=False)
        greater, lesser = hessian_matrix_eigvals(hessian)
        bright = np.maximum(bright, np.clip(-lesser, 0, None) * sigma**1.5)
        dark = np.maximum(dark, np.clip(greater, 0, None) * sigma**1.5)
    return bright, dark


def _snap(x: float, y: float, strength: Floats) -> tuple[int, int]:
    """The strongest pixel near a point; nearer ones are preferred."""
    h, w = strength.shape
    middle_x, middle_y = min(max(round(x), 0), w - 1), min(max(round(y), 0), h - 1)
    near = [
        (column, row)
        for row in range(max(0, middle_y - SNAP_PX), min(h, middle_y + SNAP_PX + 1))
        for column in range(max(0, middle_x - SNAP_PX), min(w, middle_x + SNAP_PX + 1))
        if math.hypot(column - middle_x, row - middle_y) <= SNAP_PX + 0.3
    ]

    def worth(at: tuple[int, int]) -> float:
        away = math.hypot(at[0] - middle_x, at[1] - middle_y)
        return float(strength[at[1], at[0]]) * (1 - 0.12 * away)

    return max(near, key=worth)


def _way(start: tuple[int, int], end: tuple[int, int], strength: Floats, reach: float) -> Path:
    """The cheapest way between two pixels within `reach` of the straight line; ridges are cheap."""
    h, w = strength.shape
    left, right = (
        int(max(0, min(start[0], end[0]) - reach - 2)),
        int(min(w, max(start[0], end[0]) + reach + 3)),
    )
    top, bottom = (
        int(max(0, min(start[1], end[1]) - reach - 2)),
        int(min(h, max(start[1], end[1]) + reach + 3)),
    )
    part = strength[top:bottom, left:right]
    is_off = np.ones(part.shape, np.uint8)
    for x, y in _straight(start, end):
        is_off[y - top, x - left] = 0
    distance = ndimage.distance_transform_edt(is_off)
    scale = np.percentile(part[distance <= reach], 85) + 1e-3
    cost = 1 / (0.05 + np.clip(part / scale, 0, 1.5)) + 0.15 * distance
    cost[distance > reach] = 1e4
    first, last = ((y - top, x - left) for x, y in (start, end))
    route: Sequence[tuple[int, int]]
    route, _ = route_through_array(cost, first, last, fully_connected=True, geometric=True)
    return [(column + left, row + top) for row, column in route]


def _straight(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    count = 2 * max(abs(start[0] - end[0]), abs(start[1] - end[1])) + 1
    xs, ys = np.linspace(start[0], end[0], count), np.linspace(start[1], end[1], count)
    return [(round(x), round(y)) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
