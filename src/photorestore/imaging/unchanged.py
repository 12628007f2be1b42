"""Whether an upload goes back byte for byte where no stage has changed it."""

from __future__ import annotations

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.header import Header
from photorestore.imaging.negotiate import is_preferred
from photorestore.options import DEFAULT_QUALITY, Options

CONVERTED_MODES = ("CMYK", "CMYK;16", "LAB", "LAB;16")
"""Kinds of pixels that are converted to sRGB whatever profile describes them."""


def own_type(header: Header, options: Options, accept: str) -> str | None:
    """Return the upload's media type where its own bytes are delivered if nothing is changed; None where they are not.

    They are not where another format, a quality, or less metadata is asked for, and where the pixels that are stored
    differ from those to be delivered: they are to be turned upright, or brought to sRGB.

    Args:
        header: the upload's, before its pixels were decoded.
        accept: the caller's `Accept`; it counts where no format is asked for.
    """
    content_type = f"image/{header.format}"
    is_format = options.format == header.format
    if options.format is None:
        is_format = is_preferred(content_type, accept)
    is_as_asked = is_format and options.quality == DEFAULT_QUALITY and options.metadata == "keep"
    if not is_as_asked or header.orientation != 1:
        return None
    return content_type if options.colour == "source" or _is_srgb(header) else None


def _is_srgb(header: Header) -> bool:
    if header.mode in CONVERTED_MODES:
        return False
    return header.icc is None or conversion.is_srgb(header.icc)
