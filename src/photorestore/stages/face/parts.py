"""Parts of a picture in float: a plane of the workspace may be too large to be held in float as a whole."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.tiling import to_float, to_integers
from photorestore.workspace import Array

Image = Tensor | Array
"""(C, H, W): float in [0, 1], or integers of their type's full range."""
BAND_PX = 500_000
"""Pixels held in float at a time."""


def as_float(part: Image) -> Tensor:
    """Return a part as float32 in [0, 1]."""
    return part.float() if isinstance(part, Tensor) else to_float(part)


def write(image: Image, rows: slice, columns: slice, values: Tensor) -> None:
    """Replace a part of a picture by float values in [0, 1]; integers are rounded."""
    if isinstance(image, Tensor):
        image[:, rows, columns] = values.to(image)
    else:
        image[:, rows, columns] = to_integers(values, image.dtype)


def bands(rows: slice, columns: slice) -> Iterator[slice]:
    """Yield the rows of a part, about `BAND_PX` pixels at a time."""
    step = max(1, BAND_PX // (columns.stop - columns.start))
    for top in range(rows.start, rows.stop, step):
        yield slice(top, min(top + step, rows.stop))


def resized(image: Image, rows: slice, columns: slice, size_hw: tuple[int, int], mode: str) -> Tensor:
    """Shrink a part of a picture to (C, *size_hw) without aliasing.

    First to its width, band by band, then to its height.

    Args:
        mode: "bilinear" or "bicubic".
    """
    part_hw = (rows.stop - rows.start, columns.stop - columns.start)
    if size_hw == part_hw:
        return as_float(image[:, rows, columns])
    narrow = torch.empty((len(image), part_hw[0], size_hw[1]))
    for band in bands(rows, columns):
        part = as_float(image[:, band, columns])
        size = (band.stop - band.start, size_hw[1])
        narrow[:, band.start - rows.start : band.stop - rows.start] = F.interpolate(
            part[None], size, mode=mode, antialias=True
        )[0]
    return F.interpolate(narrow[None], size_hw, mode=mode, antialias=True)[0]
