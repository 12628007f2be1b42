"""Write spots of a mask, such as what a detector found and an eye confirmed, as marks."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

Spot = npt.NDArray[np.bool_]
SQUARE = np.ones((3, 3))


def trace(mask: Spot, points: Iterable[tuple[int, int]]) -> list[str]:
    """Return `P:` lines that draw the connected spots of a mask (H, W) at some points (x, y), each once.

    Raises:
        ValueError: nothing of the mask is at a point.
    """
    labels, _ = ndimage.label(mask, SQUARE)
    lines: dict[int, list[str]] = {}
    for x, y in points:
        label = int(labels[y, x])
        if not label:
            raise ValueError(f"the mask has nothing at {x},{y}")
        lines[label] = _polygons(labels == label, (0, 0))
    return [line for spot in lines.values() for line in spot]


def _polygons(spot: Spot, corner: tuple[int, int]) -> list[str]:
    """Outline a spot whose left upper pixel is `corner`; a polygon has no holes, so one with holes is halved."""
    whole = ndimage.label(spot, SQUARE)[0]
    lines = []
    for label, (rows, columns) in enumerate(ndimage.find_objects(whole), 1):
        part = whole[rows, columns] == label
        left, top = corner[0] + columns.start, corner[1] + rows.start
        if (ndimage.binary_fill_holes(part) == part).all():
            rims, _ = cv2.findContours(part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            lines.append("P: " + " ".join(f"{x + left},{y + top}" for x, y in rims[0][:, 0].tolist()))
        elif part.shape[0] >= part.shape[1]:
            middle = part.shape[0] // 2
            lines += _polygons(part[:middle], (left, top)) + _polygons(part[middle:], (left, top + middle))
        else:
            middle = part.shape[1] // 2
            lines += _polygons(part[:, :middle], (left, top))
            lines += _polygons(part[:, middle:], (left + middle, top))
    return lines
