"""ICC profiles: from the upload's colours to sRGB and back."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

from photorestore.imaging.colour import profiles

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
    """An ICC profile of one channel with sRGB's tone curve."""
    return profiles.grey_profile("grey with the sRGB tone curve", profiles.srgb_curve())


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


def can_be_applied(icc: bytes) -> bool:
    """Whether there is a way from this profile to sRGB; some are of the right kind and lack what says it."""
    mode = mode_of(icc)
    return mode is not None and to_srgb(Image.new(mode, (1, 1)), icc) is not None


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
