"""Decide whether an upload is delivered byte for byte if no stage changes it."""

from __future__ import annotations

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.header import Header
from photorestore.imaging.files.sniff import RAW
from photorestore.imaging.negotiate import is_preferred
from photorestore.options import DEFAULT_QUALITY, Options

CONVERTED_MODES = ("CMYK", "CMYK;16", "LAB", "LAB;16")
"""Modes that are always converted to sRGB, whatever their profile."""


def own_type(header: Header, options: Options, accept: str) -> str | None:
    """Return the upload's media type where its own bytes are delivered if nothing is changed; None where they are not.

    They are not if another format, a quality or less metadata is asked for, or if the stored pixels differ from those
    to deliver because they must be turned upright, converted to sRGB or, of a raw file, developed.

    Args:
        header: the upload's, before its pixels were decoded.
        accept: the caller's `Accept`; it counts where no format is asked for.
    """
    content_type = f"image/{header.format}"
    is_format = options.format == header.format
    if options.format is None:
        is_format = is_preferred(content_type, accept)
    is_as_asked = is_format and options.quality == DEFAULT_QUALITY and options.metadata == "keep"
    if not is_as_asked or header.orientation != 1 or header.format in RAW:
        return None
    return content_type if options.colour == "source" or _is_srgb(header) else None


def _is_srgb(header: Header) -> bool:
    if header.mode in CONVERTED_MODES:
        return False
    return header.icc is None or conversion.is_srgb(header.icc)
