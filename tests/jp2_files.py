"""JPEG 2000 files put together box by box."""

import struct

import numpy as np
import openjpeg.utils

from tests.heif_files import box


def codestream(pixels: np.ndarray, bits: int | None = None) -> bytes:
    space = 2 if pixels.ndim == 2 else {3: 1, 4: 5}[pixels.shape[2]]
    bits = bits or 8 * pixels.itemsize
    return openjpeg.utils.encode_array(
        pixels, bits_stored=bits, photometric_interpretation=space, use_mct=pixels.shape[2:] == (3,)
    )


def jp2(
    pixels: np.ndarray, *boxes: bytes, space: int | None = 16, bits: int | None = None, after: bytes = b""
) -> bytes:
    """With boxes in its head, and `after` it."""
    content = codestream(pixels, bits)
    h, w = pixels.shape[:2]
    count = 1 if pixels.ndim == 2 else pixels.shape[2]
    head = box(b"ihdr", struct.pack(">IIHBBBB", h, w, count, (bits or 8 * pixels.itemsize) - 1, 7, 0, 0))
    told = b"" if space is None else box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))
    return (
        box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", head + told + b"".join(boxes))
        + after + box(b"jp2c", content)
    )  # fmt: skip


def definitions(*kinds: tuple[int, int]) -> bytes:
    entries = b"".join(struct.pack(">HHH", channel, *kind) for channel, kind in enumerate(kinds))
    return box(b"cdef", struct.pack(">H", len(kinds)) + entries)
