"""Read and write parts of a picture as float, since a whole plane may be too large for that."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.networks.tiling import to_float, to_integers
from photorestore.pixels.bands import strips
from photorestore.workspace import Array

Image = Tensor | Array
"""(C, H, W): float in [0, 1], or integers of their type's full range."""


def as_float(part: Image) -> Tensor:
    """Return a part as float32 in [0, 1]."""
    return part.float() if isinstance(part, Tensor) else to_float(part)


def write(image: Image, rows: slice, columns: slice, values: Tensor) -> None:
    """Replace a part of a picture by float values in [0, 1]; integers are rounded."""
    if isinstance(image, Tensor):
        image[:, rows, columns] = values.to(image)
    else:
        image[:, rows, columns] = to_integers(values, image.dtype)


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
    for band in strips(rows.stop, part_hw[1], rows.start):
        part = as_float(image[:, band, columns])
        size = (band.stop - band.start, size_hw[1])
        narrow[:, band.start - rows.start : band.stop - rows.start] = F.interpolate(
            part[None], size, mode=mode, antialias=True
        )[0]
    return F.interpolate(narrow[None], size_hw, mode=mode, antialias=True)[0]
