"""ICC profiles: from the upload's colours to sRGB and back."""

from __future__ import annotations

import functools
import io
import struct

import numpy as np
from PIL import Image, ImageCms

GRID = 17
"""Levels per channel at which a profile is compared with sRGB."""

COMMON_BYTES = 64 << 10
"""Profiles up to this length are compared once and remembered: few are in use, and a comparison takes milliseconds."""

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC


@functools.cache
def srgb_profile() -> bytes:
    """An sRGB ICC profile; the same bytes always (the date of making is set to a fixed one)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes((7, 0xE8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # 2024-01-01
    profile[84:100] = bytes(16)  # the profile's MD5, which may be left open
    return bytes(profile)


@functools.cache
def grey_profile() -> bytes:
    """An ICC profile (version 4) of one channel with sRGB's tone curve."""
    curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1
    tags = {
        b"desc": _icc_text("grey with the sRGB tone curve"),
        b"cprt": _icc_text("CC0"),
        b"wtpt": b"XYZ \0\0\0\0" + _s15(0.9642, 1.0, 0.8249),  # D50
        b"kTRC": b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + _s15(*curve),
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI4s4s4s6H4s", start + len(data), 0x04300000, b"mntr", b"GRAY", b"XYZ ",
                         2024, 1, 1, 0, 0, 0, b"acsp")  # fmt: skip
    header += bytes(28) + _s15(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + data


def _icc_text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _s15(*values: float) -> bytes:
    """ICC's fixed point numbers."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def open_profile(icc: bytes | None) -> ImageCms.ImageCmsProfile | None:
    """A profile that can be read, or None."""
    if not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (OSError, ImageCms.PyCMSError):
        return None


def mode_of(icc: bytes | None) -> str | None:
    """The Pillow mode whose pixels a profile describes: `RGB`, `L` or `CMYK`; None where it is of no use."""
    profile = open_profile(icc)
    return None if profile is None else _MODES.get(profile.profile.xcolor_space.strip())


def describe(icc: bytes | None) -> str | None:
    """The name that a profile bears."""
    profile = open_profile(icc)
    if profile is None:
        return None
    try:
        return ImageCms.getProfileDescription(profile).strip() or "unnamed"
    except ImageCms.PyCMSError:
        return "unnamed"


def is_srgb(icc: bytes) -> bool:
    """Whether a conversion from this RGB or grey profile to sRGB would change no 8-bit value by more than one."""
    return _remembered(icc) if len(icc) <= COMMON_BYTES else _compare(icc)


@functools.lru_cache(maxsize=64)
def _remembered(icc: bytes) -> bool:
    return _compare(icc)


def _compare(icc: bytes) -> bool:
    mode = mode_of(icc)
    if mode == "L":
        colours = np.arange(256, dtype=np.uint8)[np.newaxis]
    elif mode == "RGB":
        levels = np.linspace(0, 255, GRID).round().astype(np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(GRID, GRID * GRID, 3)
    else:
        return False
    converted = to_srgb(Image.fromarray(colours), icc)
    if converted is None:
        return False
    expected = colours if mode == "RGB" else colours[..., np.newaxis]
    return int(np.abs(np.asarray(converted).astype(np.int16) - expected).max()) <= 1


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """An `RGB` picture in sRGB, from the mode and the profile given; None where they do not fit."""
    return _convert(image, icc, srgb_profile(), "RGB")


def from_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """An sRGB picture (`RGB`) in another profile (`RGB` or `L`); None where that cannot be."""
    mode = mode_of(icc)
    return None if mode not in ("RGB", "L") else _convert(image, srgb_profile(), icc, mode)


def _convert(image: Image.Image, source: bytes, target: bytes, mode: str) -> Image.Image | None:
    first, second = open_profile(source), open_profile(target)
    if first is None or second is None or mode_of(source) != image.mode:
        return None
    in_place = image.mode == mode
    try:
        transform = ImageCms.buildTransform(first, second, image.mode, mode, _INTENT, _FLAGS)
        converted = ImageCms.applyTransform(image, transform, inPlace=in_place)
    except ImageCms.PyCMSError:
        return None
    return image if in_place else converted
