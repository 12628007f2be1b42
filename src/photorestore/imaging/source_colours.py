"""Convert from sRGB back to the colour space of the upload, which may be wider.

Pixels that no stage has changed get the upload's own numbers, so that they lose nothing (docs/adr/0017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.sixteen_bits import CONVERSION, joined
from photorestore.imaging.planes import luma, to_pillow, to_u8
from photorestore.pixels.bands import strips
from photorestore.workspace import Array

REACH = 65535 // 8
"""A pixel that was changed by this much, in 16 bits, keeps nothing of what it had beyond sRGB; one that was changed
less keeps a share, so that no edge shows between changed and unchanged pixels."""

Convert = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture as it came.

    Attributes:
        values: the file's own numbers, upright, (3, H, W); they are written over.
        image: what was made of them, in sRGB, of the same type: the plane `image`.
    """

    values: Array
    image: Array


def to_source(
    current: Array, profile: Path, bits: int, *, is_grey: bool, stored: Stored | None
) -> Array | None:
    """Convert a picture from sRGB to a profile; None where the profile cannot be applied in this direction.

    Args:
        current: (3, H, W), uint8 or uint16, sRGB.
        profile: its file.
        bits: 8 or 16, of the result.
        stored: what it was before; None where no pixel is what it was.

    Returns:
        (1, H, W) if `is_grey`, else (3, H, W).
    """
    if conversion.mode_of(profile.read_bytes()) != ("L" if is_grey else "RGB"):
        return None
    channels = 1 if is_grey else 3
    target: Array = (
        stored.values[:channels] if stored else np.empty((channels, *current.shape[1:]), f"uint{bits}")
    )
    convert: Convert | None = None
    for rows in strips(*current.shape[1:]):
        before = stored.image[:, rows] if stored else None
        change = None if before is None else _change(current[:, rows], before)
        if change is not None and not change.any():
            continue
        convert = convert or _converter(profile, bits, is_grey=is_grey)
        if convert is None:
            return None
        made = convert(current[:, rows])
        if before is not None and change is not None:
            made = _with_rest(made, target[:, rows], convert(before), change)
        target[:, rows] = made
    return target


def _change(current: Array, before: Array) -> npt.NDArray[np.int32]:
    """By how much each pixel differs, (h, w), in 16 bits."""
    difference: npt.NDArray[np.int32] = np.abs(_in_16_bits(current) - _in_16_bits(before)).max(axis=0)
    return difference


def _in_16_bits(values: Array) -> npt.NDArray[np.int32]:
    return values.astype(np.int32) * (257 if values.dtype == np.uint8 else 1)


def _with_rest(made: Array, own: Array, returned: Array, change: npt.NDArray[np.int32]) -> Array:
    """Add what the conversion to sRGB and back took away; the more a pixel was changed, the less of it."""
    weight = (1 - change / np.float32(REACH)).clip(0)
    mixed = made + weight * (own.astype(np.float32) - returned)
    rounded: Array = mixed.round().clip(0, np.iinfo(own.dtype).max).astype(own.dtype)
    return rounded


def _converter(profile: Path, bits: int, *, is_grey: bool) -> Convert | None:
    """Return what converts rows (3, h, w) from sRGB to a profile; None if the profile works in one direction only."""
    icc = profile.read_bytes()
    if conversion.from_srgb(to_pillow(np.zeros((3, 1, 1), np.uint8)), icc) is None:
        return None

    def convert(values: Array) -> Array:
        if is_grey:
            values = luma(values).repeat(3, axis=0)
        flat: Any
        if bits == 8:
            flat = np.asarray(conversion.from_srgb(to_pillow(to_u8(values)), icc))
        else:
            image = joined(values).icc_transform(str(profile), input_profile="srgb", **CONVERSION)
            flat = np.frombuffer(image.write_to_memory(), np.uint16)
        return np.moveaxis(flat.reshape(*values.shape[1:], -1), -1, 0)

    return convert
