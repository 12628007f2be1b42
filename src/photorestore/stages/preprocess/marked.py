"""Read the caller's mask: what of the picture is to be filled."""

from __future__ import annotations

import numpy as np

from photorestore.errors import CorruptImage
from photorestore.imaging import Limits, open_to_decode
from photorestore.imaging.decoders.header import Picture
from photorestore.imaging.planes import luma
from photorestore.workspace import CALLERS_MASK, Array, Workspace


def has_mask(workspace: Workspace) -> bool:
    """Return whether the caller sent a mask."""
    return workspace.path("mask_upload").exists()


def read_mask(workspace: Workspace, limits: Limits) -> None:
    """Write the caller's mask, if there is one, as a plane: 255 where its luma is at least half and it is opaque.

    Raises:
        CorruptImage: it differs in size from the upright picture.
    """
    upload = workspace.read_file("mask_upload")
    if upload is None:
        return
    mask = open_to_decode(upload, limits)
    expected, got = workspace.envelope.planes["image"].shape[1:], mask.header.upright_hw
    if got != expected:
        raise CorruptImage(
            f"mask has {got[1]}x{got[0]} px; expected {expected[1]}x{expected[0]}, "
            "the size of the picture after its EXIF turn"
        )
    with workspace.new_plane(CALLERS_MASK, (1, *got), "uint8") as hole_mask:
        _threshold(mask, hole_mask)


def _threshold(mask: Picture, hole_mask: Array) -> None:
    height, width = mask.header.upright_hw
    colours = np.empty((3, height, width), f"uint{mask.header.bits}")
    alpha = np.empty((1, height, width), colours.dtype) if mask.header.has_alpha else None
    mask.decode(colours, alpha)
    half = 1 << (mask.header.bits - 1)
    is_hole = luma(colours) >= half
    if alpha is not None:
        is_hole &= alpha >= half
    np.multiply(is_hole, 255, out=hole_mask, casting="unsafe")
