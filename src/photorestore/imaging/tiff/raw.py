"""Refuse cameras' raw files: many begin like a TIFF and hold a small preview in place of its picture."""

from __future__ import annotations

from collections.abc import Iterable

from photorestore.errors import NotAnImage
from photorestore.imaging.tiff.directory import Directory

_DNG_VERSION = 50706
_MOSAIC_KINDS = {32803, 34892}
"""Colour filter array and linear raw, as photometric interpretation."""
_RAW_CODINGS = {32767, 32769, 32770, 34713, 65000, 65535}
"""Of Sony, Epson, Samsung, Nikon, Kodak and Pentax."""
_NAMES = {b"NIKON": "NEF", b"SONY": "ARW", b"PENTAX": "PEF", b"SAMSUNG": "SRW", b"Hasselblad": "3FR"}
_MAKE = 271


def refuse_raw(upload: bytes, directories: Iterable[Directory]) -> None:
    """Refuse a TIFF that is a raw file by what is in any of its directories.

    Raises:
        NotAnImage: it is one.
    """
    name = _name(upload, list(directories))
    if name is not None:
        raise NotAnImage(
            f"camera raw ({name}) is not read: its pixels are not developed; expected a TIFF or JPEG made from it"
        )


def _name(upload: bytes, directories: list[Directory]) -> str | None:
    if upload[8:10] == b"CR":
        return "CR2"
    if upload[8:12] in (b"IIII", b"MMMM"):
        return "IIQ"
    if any(_DNG_VERSION in directory for directory in directories):
        return "DNG"
    if not any(_is_raw(directory) for directory in directories):
        return None
    make = directories[0].blob(_MAKE) or b""
    return next((name for start, name in _NAMES.items() if make.startswith(start)), "undeveloped")


def _is_raw(directory: Directory) -> bool:
    return directory.first(262, 0) in _MOSAIC_KINDS or directory.first(259, 1) in _RAW_CODINGS
