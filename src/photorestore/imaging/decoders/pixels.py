"""Write a decoder's array into planes: scaled to full range, in sRGB, upright, alpha apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.header import Header
from photorestore.imaging.decoders.sixteen_bits import in_srgb, vips
from photorestore.imaging.planes import as_stored
from photorestore.pixels.bands import strips
from photorestore.workspace import Array

_FORMATS = {8: "uchar", 16: "ushort"}
_INTERPRETATIONS = {8: {1: "b-w", 3: "srgb", 4: "cmyk"}, 16: {1: "grey16", 3: "rgb16", 4: "cmyk"}}


def depth_of(bits: int) -> int:
    """Return 8 or 16: the depth of the planes for samples of so many bits."""
    return 8 if bits <= 8 else 16


def to_full_range(values: npt.NDArray[Any], bits: int) -> Array:
    """Scale unsigned samples of 1 to 16 bits to the full range of 8 or 16."""
    depth = depth_of(bits)
    if bits == depth:
        return values.astype(f"uint{depth}", copy=False)
    full, most = 2**depth - 1, 2**bits - 1
    table = (np.arange(most + 1, dtype=np.uint64) * full * 2 + most) // (2 * most)
    scaled: Array = table.astype(f"uint{depth}")[np.minimum(values, most)]
    return scaled


def without_premultiplying(colours: Array, opacity: Array) -> Array:
    """Divide colours (H, W, C) by the opacity (H, W) that they were multiplied by."""
    full = int(np.iinfo(colours.dtype).max)
    plain = np.empty_like(colours)
    for rows in strips(*opacity.shape):
        alpha = opacity[rows, :, np.newaxis].astype(np.uint32)
        values = (colours[rows].astype(np.uint32) * full + alpha // 2) // np.maximum(alpha, 1)
        plain[rows] = np.minimum(values, full)
    return plain


def write_pixels(
    colours: Array, opacity: Array | None, header: Header, image: Array, alpha: Array | None
) -> None:
    """Write samples of the header's depth and geometry into planes (3, H, W) and (1, H, W).

    Args:
        colours: (H, W, 1 | 3 | 4): grey, RGB or CMYK (0 = no ink), in the header's profile.
        opacity: (H, W), or None for an opaque picture.
    """
    target = as_stored(image, header.orientation)
    source = _in_srgb(colours, header)
    height, width = colours.shape[:2]
    region = None if source is None else vips().Region.new(source)
    for rows in strips(height, width):
        values: npt.NDArray[Any] = colours[rows]
        if region is not None:
            fetched = region.fetch(0, rows.start, width, rows.stop - rows.start)
            values = np.frombuffer(fetched, colours.dtype).reshape(rows.stop - rows.start, width, -1)
        for channel, plane in enumerate(target):
            plane[rows] = values[..., min(channel, values.shape[2] - 1)]
    if alpha is not None:
        as_stored(alpha, header.orientation)[0] = np.iinfo(alpha.dtype).max if opacity is None else opacity


def _in_srgb(colours: Array, header: Header) -> Any:
    """A lazy picture, or None where the values are right as they are."""
    count = colours.shape[2]
    if count != 4 and (header.icc is None or conversion.is_srgb(header.icc)):
        return None
    height, width = colours.shape[:2]
    data = np.ascontiguousarray(colours).data
    image = vips().Image.new_from_memory(data, width, height, count, _FORMATS[header.bits])
    return in_srgb(image.copy(interpretation=_INTERPRETATIONS[header.bits][count]), header)
