"""Tell what an upload is by its first bytes, and check it against the limits. No pixel is decoded here."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from photorestore.errors import CorruptImage, ImageTooLarge, NotAnImage, PayloadTooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted; checked before pixels are decoded.

    Attributes:
        upload_bytes: length of the upload.
        pixels: width times height.
        side_px: width, and height.
        jpeg_scans: passes of a progressive JPEG. Each costs a walk over all pixels and may take only a few
            bytes, so without a limit a small file keeps a decoder busy for hours.
    """

    upload_bytes: int = 64 * 2**20
    pixels: int = 50_000_000
    side_px: int = 20_000
    jpeg_scans: int = 100


LIMITS = Limits()

_SCANS = re.compile(b"\xff\xda")
_SLICE = 1 << 20

HEIF = ("heic", "heif")
"""The brand of the first says that it is coded with HEVC, that of the second does not say how."""
JPEG_2000 = ("jp2", "j2c")
"""A file with boxes, and a bare codestream."""
RAW = ("dng", "nef", "cr2", "cr3", "arw", "raf", "pef", "srw", "3fr", "iiq", "raw")
"""Cameras' raw files: most are TIFFs by their first bytes, see `tiff.raw`; the last is one of no known maker."""
ACCEPTED = ("jpeg", "png", "webp", "tiff", "bmp", "gif", "avif", *HEIF, *JPEG_2000, *RAW)
"""Formats that are read."""

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "j2c"),
    (b"FUJIFILMCCD-RAW ", "raf"),
)
_REFUSED = (
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "icon"),
    (b"\xff\x0a", "JPEG XL"),
    (b"JXL \r\n\x87\n", "JPEG XL"),
    (b"IIRO", "camera raw (ORF)"),
    (b"IIRS", "camera raw (ORF)"),
    (b"IIU\0", "camera raw (RW2)"),
    (b"FOVb", "camera raw (X3F)"),
)
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_HEIF_BRANDS = (b"mif1", b"msf1", b"mif2")
_BRANDS = {"avif": _AVIF_BRANDS, "heic": _HEIC_BRANDS, "heif": _HEIF_BRANDS, "cr3": (b"crx ",)}


def sniff(upload: bytes) -> str:
    """Return the format of an upload, one of `ACCEPTED`; `tiff` also where it is a raw file that begins like a TIFF.

    Raises:
        NotAnImage: it begins like none of them.
    """
    for magic, name in _MAGIC:
        if upload.startswith(magic):
            return name
    if upload[:4] == b"RIFF" and upload[8:12] == b"WEBP":
        return "webp"
    if upload[4:8] == b"ftyp":
        brands = _brands(upload)
        for name, ours in _BRANDS.items():
            if any(brand in brands for brand in ours):
                return name
    raise NotAnImage(f"expected {', '.join(ACCEPTED).upper()}; got {_guess(upload)}")


def _brands(upload: bytes) -> list[bytes]:
    """Major and compatible brands of an ISO base media file."""
    end = min(struct.unpack(">I", upload[:4])[0], len(upload), 256)
    return [upload[start : start + 4] for start in (8, *range(16, end, 4))]


def _guess(upload: bytes) -> str:
    if not upload:
        return "an empty upload"
    if upload[4:8] == b"ftyp":
        return f"an ISO media file of brand {upload[8:12].decode('ascii', 'replace')!r}"
    start = upload[:1024].lstrip().removeprefix(b"\0\0\0\x0c")
    names = [name for magic, name in _REFUSED if start.startswith(magic)]
    return names[0] if names else "bytes that begin like none of them"


def check_bytes(upload: bytes, limits: Limits) -> None:
    """Hold an upload against the limit of bytes.

    Raises:
        PayloadTooLarge: it is longer.
    """
    if len(upload) > limits.upload_bytes:
        raise PayloadTooLarge(f"upload has {len(upload)} bytes; the limit is {limits.upload_bytes}")


def check_size(width: int, height: int, limits: Limits) -> None:
    """Hold a picture's size against the limits.

    Raises:
        CorruptImage: it has no area.
        ImageTooLarge: too many pixels, or a side too long.
    """
    if width < 1 or height < 1:
        raise CorruptImage(f"image has {width}x{height} px: no area")
    if max(width, height) > limits.side_px:
        raise ImageTooLarge(f"image has {width}x{height} px; the longest side may have {limits.side_px}")
    if width * height > limits.pixels:
        megapixels = limits.pixels / 1e6
        raise ImageTooLarge(f"image has {width}x{height} px; the limit is {megapixels:g} megapixels")


def check_enlarged(width: int, height: int, scale: int, limits: Limits) -> None:
    """Hold the size that a picture is to have against the limits.

    Raises:
        ImageTooLarge: too many pixels, or a side too long.
    """
    try:
        check_size(scale * width, scale * height, limits)
    except ImageTooLarge as error:
        raise ImageTooLarge(f"at scale {scale} the {error}") from None


def check_header(upload: bytes, kind: str, limits: Limits) -> None:
    """Check what must be known before a decoder may see even the header.

    Raises:
        CorruptImage: a JPEG of too many scans.
        ImageTooLarge: a WebP canvas over the limits; its decoder allocates the canvas when it is opened.
    """
    if kind == "jpeg" and _has_more_scans(upload, limits.jpeg_scans):
        raise CorruptImage(f"JPEG has more than {limits.jpeg_scans} scans")
    if kind == "webp" and upload[12:16] == b"VP8X" and len(upload) >= 30:
        width = 1 + int.from_bytes(upload[24:27], "little")
        height = 1 + int.from_bytes(upload[27:30], "little")
        check_size(width, height, limits)


def _has_more_scans(upload: bytes, most: int) -> bool:
    """Whether more scans begin; looked for in slices, between which other threads may run."""
    for start in range(0, len(upload), _SLICE):
        most -= sum(1 for _ in _SCANS.finditer(upload, start, start + _SLICE + 1))
        if most < 0:
            return True
    return False


def png_chunk(upload: bytes, wanted: bytes) -> bytes | None:
    """Return the content of a PNG's first chunk of a type, cut where the file ends; None if there is no such chunk."""
    return next(
        (upload[start : start + length] for name, start, length in png_chunks(upload) if name == wanted), None
    )


def png_chunks(upload: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield of each chunk of a PNG, up to `IEND`, its type, where its content starts and how long it claims to be."""
    start = 8
    while start + 8 <= len(upload):
        length, name = struct.unpack_from(">I4s", upload, start)
        yield name, start + 8, length
        if name == b"IEND":
            return
        start += 12 + length
