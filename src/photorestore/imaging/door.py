"""Take pictures in without HTTP: encoded ones, Pillow's, and arrays; give the result as an array."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.by_pillow import apart
from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.sixteen_bits import cmyk_profile
from photorestore.imaging.planes import check_array, luma, to_array, to_u8, write_array
from photorestore.pixels.hidden import with_hidden
from photorestore.workspace import Array, Workspace

Picture = bytes | Image.Image | npt.NDArray[Any]


def put_picture(workspace: Workspace, name: str, picture: Picture) -> None:
    """Put a caller's picture where `preprocess` finds it.

    Bytes are stored as they are. Of Pillow's pictures and of arrays the pixels are taken (upright by EXIF, converted to
    sRGB), and no other metadata; they become planes, masks become a file.

    Args:
        name: `upload`, `mask_upload` or `reference_upload`.
        picture: arrays are (H, W) or (H, W, 1 | 2 | 3 | 4) of uint8 or uint16, sRGB; masks may be bool.

    Raises:
        NotAnImage, CorruptImage, ImageTooLarge: as `write_array`; bytes are judged by `preprocess`.
        OutOfSpace: shared memory is full.
    """
    if isinstance(picture, bytes | bytearray | memoryview):
        workspace.write_file(name, picture)
        return
    icc = picture.info.get("icc_profile") if isinstance(picture, Image.Image) else None
    values = _pixels(picture, icc) if isinstance(picture, Image.Image) else picture
    if name == "upload":
        write_array(workspace, values)
    elif name == "mask_upload":
        workspace.write_file(name, _mask_file(values))
    else:
        workspace.write_file(name, _file(values))


def result_array(workspace: Workspace) -> Array:
    """Return the result, (H, W, 3), or (H, W, 4) with alpha, in the source's depth; grey as three equal channels."""
    source = workspace.source
    plane = with_hidden(workspace, workspace.current())
    if source.bits == 8:
        plane = to_u8(plane)
    if workspace.is_grey:
        plane = luma(plane).repeat(3, axis=0)
    return to_array(plane, workspace.alpha())


def _pixels(picture: Image.Image, icc: bytes | None) -> Array:
    """(H, W) or (H, W, C), upright and in sRGB."""
    try:
        upright = ImageOps.exif_transpose(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise CorruptImage("the picture cannot be decoded") from error
    if upright.mode.startswith("I;16"):
        return np.asarray(upright, np.uint16)
    if upright.mode in ("I", "F"):
        raise NotAnImage(f"picture of mode {upright.mode}; expected integers of 8 or 16 bits")
    colours, alpha = apart(upright)
    plain = colours if colours.mode in ("L", "RGB", "CMYK") else colours.convert("RGB")
    if icc and not conversion.is_srgb(icc):
        plain = conversion.to_srgb(plain.copy(), icc) or plain
    if plain.mode == "CMYK":
        plain = conversion.to_srgb(plain, cmyk_profile()) or plain
    plain = plain if plain.mode in ("L", "RGB") else plain.convert("RGB")
    values: npt.NDArray[np.uint8] = np.asarray(plain)
    return values if alpha is None else np.dstack([values, np.asarray(alpha)])


def _mask_file(values: npt.NDArray[Any]) -> bytes:
    """A PNG of the mask's luma in 8 bits."""
    return _file(values.astype(np.uint8) * 255 if values.dtype == bool else values)


def _file(values: npt.NDArray[Any]) -> bytes:
    """A PNG of an array in 8 bits."""
    check_array(values)
    in_8_bits = values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
    if in_8_bits.ndim == 3 and in_8_bits.shape[2] == 1:
        in_8_bits = in_8_bits[..., 0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(in_8_bits)).save(file, "PNG", compress_level=1)
    return file.getvalue()
