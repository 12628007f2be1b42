"""What kind of picture a file is, by its first bytes; most cameras' raw files are TIFFs by these."""

from __future__ import annotations

HEAD_BYTES = 32
"""How much of a file has to be known."""

_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\0\0\0\x0cjP  ", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/j2c"),
    (b"FUJIFILMCCD-RAW ", "image/x-fuji-raf"),
)
_BRANDS = (
    (("avif", "avis"), "image/avif"),
    (("hei", "hev"), "image/heic"),
    (("mif1", "mif2", "msf1"), "image/heif"),
    (("crx ",), "image/x-canon-cr3"),
)


def media_type(head: bytes) -> str | None:
    """Return the media type of a picture that begins so, or None if it is none that a service may read."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "image/bmp"
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("latin-1")
        return next((name for brands, name in _BRANDS if brand.startswith(brands)), None)
    return next((name for start, name in _STARTS if head.startswith(start)), None)
