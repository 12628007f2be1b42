"""Convert between the pixel orders: planes (CHW) of the workspace, HWC arrays and Pillow's pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from photorestore.errors import NotAnImage
from photorestore.imaging.files.sniff import LIMITS, Limits, check_size
from photorestore.pixels.bands import strips
from photorestore.pixels.luma import LUMA
from photorestore.source import Source
from photorestore.workspace import Array, Workspace

THOUSANDTHS = tuple(round(1000 * weight) for weight in LUMA)
"""The weights of luma as integers."""


def as_stored(plane: Array, orientation: int) -> Array:
    """Return a view of an upright plane (C, H, W) in the upload's geometry: what is written there stands upright.

    The plane has the size of the upright picture; `orientation` is EXIF's.
    """
    if orientation >= 5:
        plane = plane.swapaxes(1, 2)
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    return plane[:, ::rows, ::columns]


def copy_bands(image: Image.Image, target: Array) -> None:
    """Write a Pillow picture of 8-bit bands into a plane (C, H, W).

    A grey picture (mode `L` or `LA`) fills all channels alike; an alpha band is left out.
    """
    width, height = image.size
    for rows in strips(height, width):
        bands = image.crop((0, rows.start, width, rows.stop)).split()
        for channel, values in enumerate(target):
            band = bands[channel if len(bands) >= 3 else 0]
            values[rows] = np.frombuffer(band.tobytes(), np.uint8).reshape(-1, width)


def to_u8(plane: Array) -> npt.NDArray[np.uint8]:
    """Return a plane in 8 bits; uint16 values are divided by 257 and rounded."""
    if plane.dtype == np.uint8:
        return plane  # type: ignore[return-value]
    narrow = np.empty(plane.shape, np.uint8)
    for channel, values in enumerate(plane):
        for rows in strips(*values.shape):
            # (255 v + 32895) / 65536, rounded down, is v / 257, rounded, for every 16-bit v.
            narrow[channel, rows] = (values[rows].astype(np.uint32) * 255 + 32895) >> 16
    return narrow


def luma(plane: Array) -> Array:
    """Return luma (1, H, W) of a plane (3, H, W), same type, rounded; equal channels are kept as they are."""
    grey = np.empty((1, *plane.shape[1:]), plane.dtype)
    for rows in strips(*plane.shape[1:]):
        weighted = sum(
            values[rows].astype(np.uint32) * weight for values, weight in zip(plane, THOUSANDTHS, strict=True)
        )
        grey[0, rows] = (weighted + 500) // 1000
    return grey


def to_pillow(plane: npt.NDArray[np.uint8]) -> Image.Image:
    """Return a Pillow picture of mode `L` or `RGB` from a plane (1 or 3, H, W) of uint8."""
    _, height, width = plane.shape
    bands = [Image.frombuffer("L", (width, height), band, "raw", "L", 0, 1) for band in plane]
    return bands[0] if len(bands) == 1 else Image.merge("RGB", bands)


def to_array(plane: Array, alpha: Array | None = None) -> Array:
    """Return a new array (H, W, C) of a plane (C, H, W); C is one more with alpha."""
    channels = [*plane, *(() if alpha is None else alpha)]
    return np.ascontiguousarray(np.stack(channels, axis=-1))


def write_array(workspace: Workspace, image: Array, limits: Limits = LIMITS) -> None:
    """Write a caller's array as the planes `image` and, for two or four channels, `alpha`.

    Args:
        workspace: a new one; its `current` and `source` are set.
        image: (H, W) or (H, W, 1 | 2 | 3 | 4) of uint8 or uint16, sRGB; two channels are grey and alpha.
        limits: as for uploads.

    Raises:
        NotAnImage: another type or shape.
        CorruptImage: no area.
        ImageTooLarge: over the limits.
        OutOfSpace: shared memory is full.
    """
    check_array(image, limits)
    channels = image[np.newaxis] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    count, height, width = channels.shape
    colours = 3 if count >= 3 else 1
    with workspace.new_plane("image", (3, height, width), image.dtype.name) as plane:
        plane[:] = channels[:colours]
    if count in (2, 4):
        workspace.write_plane("alpha", channels[-1:])
    workspace.envelope.current = "image"
    workspace.envelope.source = Source.of_array(
        width, height, 8 * image.dtype.itemsize, has_alpha=count in (2, 4), is_grey=colours == 1
    )


def check_array(image: Array, limits: Limits = LIMITS) -> None:
    """Check that a caller's array is (H, W) or (H, W, 1 | 2 | 3 | 4) of uint8 or uint16.

    Raises:
        NotAnImage: another type or shape.
        CorruptImage: no area.
        ImageTooLarge: over the limits.
    """
    count = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or not 1 <= count <= 4 or image.dtype.name not in ("uint8", "uint16"):
        raise NotAnImage(
            "expected an array (H, W) or (H, W, 1 to 4) of uint8 or uint16; "
            f"got {image.shape} of {image.dtype.name}"
        )
    height, width = image.shape[:2]
    check_size(width, height, limits)
