"""Check a JPEG's frame before it is decoded, and decode one that lacks nothing but its end."""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageChops

from photorestore.errors import NotAnImage, TruncatedImage

MOST_SEGMENTS = 16_384
"""Before the frame."""

_BARE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length."""
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_READ = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_END = b"\xff\xd9"
_NOISE = bytes(range(1, 255, 7)) * 64
"""Bytes that a decoder takes for pixels, if it still waits for some."""


def refuse_rare_coding(upload: bytes, start: int = 0) -> None:
    """Refuse a JPEG, from `start` of the upload on, of a kind that the decoder does not know.

    A JPEG without a frame is left to the decoder.

    Raises:
        NotAnImage: not of 8 bits, lossless, hierarchical, or its height stands behind the pixels; the message says so.
    """
    position = start + 2
    for _ in range(MOST_SEGMENTS):
        if position + 9 > len(upload) or upload[position] != 0xFF:
            return
        marker = upload[position + 1]
        if marker in _FRAMES:
            _judge(marker, *struct.unpack_from(">BH", upload, position + 4))
            return
        if marker == 0xFF:  # a filling byte
            position += 1
        elif marker in _BARE:
            position += 2
        else:
            position += 2 + int.from_bytes(upload[position + 2 : position + 4], "big")


def _judge(marker: int, bits: int, height: int) -> None:
    if marker in (0xC3, 0xCB):
        raise NotAnImage(f"lossless JPEG of {bits} bits is not read; expected lossy JPEG of 8 bits")
    if marker not in _READ:
        raise NotAnImage("hierarchical JPEG is not read; expected a single frame")
    if bits != 8:
        raise NotAnImage(f"JPEG of {bits} bits is not read; expected 8")
    if height == 0:
        raise NotAnImage("JPEG whose height stands behind its pixels (DNL) is not read")


def completed(upload: bytes) -> Image.Image:
    """Decode a JPEG whose pixels are all there, but whose end is not marked.

    A decoder invents whatever is missing before a marked end. So the JPEG is decoded with two different ends: if all
    pixels are there, the pictures are the same.

    Raises:
        TruncatedImage: there are pixels missing.
    """
    ends = [_decoded(upload + end) for end in (_END, _NOISE + _END)]
    if ends[0].mode != ends[1].mode or ImageChops.difference(*ends).getbbox() is not None:
        raise TruncatedImage("the JPEG breaks off before its end")
    return ends[0]


def _decoded(upload: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(upload), formats=("JPEG",))
    image.load()
    return image
