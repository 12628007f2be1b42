"""Tell whether a file breaks off before its end."""

from __future__ import annotations

import struct

from photorestore.imaging.files.boxes import Boxes
from photorestore.imaging.files.sniff import HEIF, JPEG_2000, RAW


def breaks_off(upload: bytes, kind: str) -> bool:
    """Return whether a picture that could not be decoded is shorter than it claims.

    Asked only after a decoder failed: some decoders say no more than "failed".
    """
    return _CLAIMS[kind](upload)


def _webp_breaks_off(upload: bytes) -> bool:
    return len(upload) < 20 or len(upload) < 8 + int.from_bytes(upload[4:8], "little")


def _bmp_breaks_off(upload: bytes) -> bool:
    return len(upload) < 30 or len(upload) < int.from_bytes(upload[2:6], "little")


def _boxes_break_off(upload: bytes) -> bool:
    last = None
    for last in Boxes(upload).top():  # noqa: B007 - only how the walk ends counts
        pass
    return last is None or last.is_cut or len(upload) - last.end in range(1, 8)


def _lacks_end_of_image(upload: bytes) -> bool:
    return b"\xff\xd9" not in upload[-64:]


def _tiff_breaks_off(upload: bytes) -> bool:
    order = "<" if upload[:1] == b"I" else ">"
    is_big = upload[2:4] in (b"+\0", b"\0+")
    if len(upload) < 16:
        return True
    (directory,) = (
        struct.unpack_from(order + "Q", upload, 8) if is_big else struct.unpack_from(order + "I", upload, 4)
    )
    return int(directory) + 2 > len(upload)


def _raf_breaks_off(upload: bytes) -> bool:
    """The last of its parts, as its head tells, are the sensor's samples."""
    return len(upload) < 108 or len(upload) < sum(struct.unpack_from(">II", upload, 100))


_CLAIMS = {
    **dict.fromkeys(RAW, _tiff_breaks_off),
    "png": lambda upload: b"IEND" not in upload[-64:],
    "gif": lambda upload: upload[-1:] != b"\x3b",
    "webp": _webp_breaks_off,
    "bmp": _bmp_breaks_off,
    "tiff": _tiff_breaks_off,
    "raf": _raf_breaks_off,
    **dict.fromkeys(("avif", "cr3", *HEIF), _boxes_break_off),
    **dict.fromkeys(("jpeg", *JPEG_2000), _lacks_end_of_image),
}
