"""EXIF: read from the upload, brought up to date for the result.

It is written by strangers, so every reading may fail; what cannot be read is left out and reported.
"""

from __future__ import annotations

import io
from typing import Any

from PIL import ExifTags, Image

from photorestore.imaging.tiff import check_directories

ORIENTATION = ExifTags.Base.Orientation
_GPS_IFD = ExifTags.IFD.GPSInfo
_EXIF_IFD = ExifTags.IFD.Exif
_LONGEST_SEGMENT = 64 << 10
"""Bytes of a JPEG's EXIF: what so few can point to is unpacked in milliseconds."""
LONGEST_EXIF = 4 << 20
"""Bytes of a block that is read; JPEG, where EXIF comes from, has room for a 64th."""
_PREFIX = b"Exif\0\0"

_DESCRIPTIVE_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
"""What of a TIFF's own directory describes the picture and not the file."""


def load_exif(block: bytes | None) -> Image.Exif | None:
    """The parsed EXIF block, or None if there is none it is too long, or it cannot be read."""
    if not block or len(block) > LONGEST_EXIF:
        return None
    exif = Image.Exif()
    try:
        if len(block) > _LONGEST_SEGMENT:
            check_directories(block.removeprefix(_PREFIX).removeprefix(_PREFIX))
        exif.load(block)
    except Exception:  # noqa: BLE001 - a parser of hostile bytes, which fails in many ways
        return None
    return exif


def orientation_of(exif: Image.Exif | None) -> int:
    """EXIF orientation 1 to 8; 1 where it is missing or nonsense."""
    value = None if exif is None else exif.get(ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def descriptive(found: Image.Exif) -> Image.Exif:
    """What of the tags describes a picture, without those that say where a TIFF keeps its pixels."""
    kept = Image.Exif()
    for tag in _DESCRIPTIVE_TAGS:
        if tag in found:
            kept[tag] = found[tag]
    for directory in (_EXIF_IFD, _GPS_IFD):
        if entries := found.get_ifd(directory):
            kept[directory] = dict(entries)
    return kept


def exif_of_tiff(file: io.BytesIO, directory: int, *, is_big: bool) -> bytes | None:
    """An EXIF block of a TIFF's descriptive tags, its EXIF and its GPS directory; None if there are none.

    Args:
        file: the TIFF, from its start.
        directory: where the page's directory stands.
        is_big: whether it is a BigTIFF.
    """
    found = Image.Exif()
    found.bigtiff = is_big
    found.endian = "<" if file.read(1) == b"I" else ">"
    try:
        found.load_from_fp(file, directory)
        exif = descriptive(found)
        return exif.tobytes() if len(exif) else None
    except Exception:  # noqa: BLE001 - a parser of hostile bytes, which fails in many ways
        return None


def rewrite_exif(block: bytes, width: int, height: int, *, gps: bool) -> bytes | None:
    """The block for a picture that was turned and may have another size; None if it cannot be written.

    Orientation becomes 1, the pixel dimensions are set where they stood, the thumbnail goes; without `gps`
    the GPS directory goes too.
    """
    exif = load_exif(block)
    if exif is None:
        return None
    try:
        _update(exif, width, height, gps=gps)
        return exif.tobytes()
    except Exception:  # noqa: BLE001 - values of wrong types fail in many ways when written
        return None


def _update(exif: Image.Exif, width: int, height: int, *, gps: bool) -> None:
    details: dict[int, Any] = exif.get_ifd(_EXIF_IFD)
    sizes = {
        ExifTags.Base.ImageWidth: width,
        ExifTags.Base.ImageLength: height,
        ExifTags.Base.ExifImageWidth: width,
        ExifTags.Base.ExifImageHeight: height,
    }
    for directory in (exif, details):
        directory.update({tag: size for tag, size in sizes.items() if tag in directory})
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    if not gps and _GPS_IFD in exif:
        del exif[_GPS_IFD]
