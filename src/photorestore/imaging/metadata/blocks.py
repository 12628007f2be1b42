"""Find an upload's EXIF and XMP, wherever its format keeps them, and the orientation that they tell."""

from __future__ import annotations

from photorestore.imaging.files.sniff import png_chunks
from photorestore.imaging.metadata.exif import orientation_told
from photorestore.imaging.metadata.extras import TEXT_CHUNKS, raw_profile, read_text
from photorestore.imaging.metadata.extras_read import jpeg_segments
from photorestore.imaging.metadata.xmp import orientation_in
from photorestore.imaging.metadata.xmp_extended import EXTENSION_PREFIX, MAIN_PREFIX, joined

_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_RAW_XMP = (b"Raw profile type xmp\0", b"Raw profile type APP1\0")
_RAW_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
_APP1 = 0xE1


def exif_in(upload: bytes, kind: str, given: bytes | None) -> bytes | None:
    """Return the EXIF block of an upload of the format `kind`, which is no TIFF, or None.

    Args:
        given: what the decoder has found.
    """
    return _exif_in_png(upload) if kind == "png" else given


def _exif_in_png(upload: bytes) -> bytes | None:
    """Find EXIF in its chunk, which may follow the pixels, or as ImageMagick wrote it before there was a chunk."""
    raw = None
    for name, start, length in png_chunks(upload):
        if name == b"eXIf":
            return upload[start : start + length]
        if raw is None and name in (b"zTXt", b"tEXt") and upload.startswith(_RAW_EXIF, start):
            raw = raw_profile(read_text(name, upload[start : start + length])) or b""
            raw = None if raw.startswith(MAIN_PREFIX) else raw
    return raw or None


def xmp_in(upload: bytes, kind: str, given: bytes | None, dropped: list[str]) -> bytes | None:
    """Return the XMP packet of an upload, with what a JPEG keeps in further segments; see `exif_in`.

    Args:
        dropped: gets the names of what cannot be kept.
    """
    if kind == "png":
        return _xmp_in_png(upload)
    if kind != "jpeg" or not given or b"HasExtendedXMP" not in given:
        return given
    pieces = [
        content.removeprefix(EXTENSION_PREFIX)
        for marker, _, content in jpeg_segments(upload)
        if marker == _APP1 and content.startswith(EXTENSION_PREFIX)
    ]
    whole = joined(given, pieces)
    if whole is None:
        dropped.append("xmp: extension: not whole")
    return whole or given


def _xmp_in_png(upload: bytes) -> bytes | None:
    """Find XMP in its text, which may follow the pixels, or as ImageMagick wrote it before there was a keyword."""
    raw = None
    for name, start, length in png_chunks(upload):
        if name not in TEXT_CHUNKS:
            continue
        if upload.startswith(_XMP_KEYWORD, start):
            text = read_text(name, upload[start : start + length]).text or ""
            return text.encode("utf-8" if name == b"iTXt" else "latin-1") or None
        if raw is None and upload.startswith(_RAW_XMP, start):
            raw = raw_profile(read_text(name, upload[start : start + length])) or b""
            is_exif = upload.startswith(_RAW_XMP[1], start) and not raw.startswith(MAIN_PREFIX)
            raw = None if is_exif else raw.removeprefix(MAIN_PREFIX)
    return raw or None


def orientation_of(exif: bytes | None, xmp: bytes | None) -> int:
    """Return the orientation, 1 to 8, by EXIF, or by XMP where EXIF does not tell it; 1 where neither does."""
    return orientation_told(exif) or orientation_in(xmp) or 1
