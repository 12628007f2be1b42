"""Convert from the upload's ICC profile to sRGB and back."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

from photorestore.imaging.colour import profiles

GRID = 17
"""Levels per channel at which a profile is compared with sRGB."""

COMMON_BYTES = 64 << 10
"""Profiles up to this length are compared once and remembered, as few are in use and comparing takes milliseconds."""

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC


@functools.cache
def srgb_profile() -> bytes:
    """Return an sRGB ICC profile: always the same bytes, as the date of its making is fixed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes((7, 0xE8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # 2024-01-01
    profile[84:100] = bytes(16)  # the profile's MD5, which may be left open
    return bytes(profile)


@functools.cache
def grey_profile() -> bytes:
    """Return an ICC profile of one channel with sRGB's tone curve."""
    return profiles.grey_profile("grey with the sRGB tone curve", profiles.srgb_curve())


def open_profile(icc: bytes | None) -> ImageCms.ImageCmsProfile | None:
    """Open a profile; None if it cannot be read."""
    if not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (OSError, ImageCms.PyCMSError):
        return None


def mode_of(icc: bytes | None) -> str | None:
    """Return the Pillow mode whose pixels a profile describes: `RGB`, `L` or `CMYK`; None for other profiles."""
    profile = open_profile(icc)
    return None if profile is None else _MODES.get(profile.profile.xcolor_space.strip())


def describe(icc: bytes | None) -> str | None:
    """Return a profile's own name; None if it cannot be read."""
    profile = open_profile(icc)
    if profile is None:
        return None
    try:
        return ImageCms.getProfileDescription(profile).strip() or "unnamed"
    except ImageCms.PyCMSError:
        return "unnamed"


def is_srgb(icc: bytes) -> bool:
    """Return whether converting from this RGB or grey profile to sRGB changes no 8-bit value by more than one."""
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
    """Return whether pixels can be converted from this profile to sRGB: some lack the tags that it takes."""
    mode = mode_of(icc)
    return mode is not None and to_srgb(Image.new(mode, (1, 1)), icc) is not None


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """Convert a picture from a profile to sRGB, mode `RGB`; None where its mode does not fit the profile."""
    return _convert(image, icc, srgb_profile(), "RGB")


def from_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """Convert an sRGB picture (`RGB`) to a profile (`RGB` or `L`); None where the profile cannot be applied."""
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
