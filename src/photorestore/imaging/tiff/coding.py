"""Find how the strips or tiles of a TIFF are cut and packed; refuse by name what cannot be unpacked."""

from __future__ import annotations

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.files.jpeg import refuse_rare_coding
from photorestore.imaging.tiff.directory import Directory

UNCODED, CCITT, OLD_JPEG, JPEG, WEBP = (1,), (2, 3, 4, 32771), (6,), (7,), (50001,)
PICTURES = (*OLD_JPEG, *JPEG, *WEBP)
"""Their strips and tiles are pictures of their own, in RGB even if the TIFF claims YCbCr."""
DEFLATE = (8, 32946)
PACKED = (*DEFLATE, 5, 32773, 34925, 50000)
"""Deflate, LZW, PackBits, LZMA and Zstandard, which turn bytes into bytes."""
_OTHER_CODINGS = {
    9: "JBIG",
    10: "JBIG",
    32766: "NeXT",
    32809: "ThunderScan",
    32909: "PixarLog",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGILog",
    34677: "SGILog24",
    34712: "JPEG 2000",
    34887: "LERC",
    34933: "PNG",
    34934: "JPEG XR",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
MOST_TILE_BYTES = 64 << 20
"""Greatest size of an unpacked tile."""


def check_coding(upload: bytes, page: Directory, coding: int, stored_bits: int, samples: int) -> None:
    """Check that the compression of a page is one that is read, and fits its samples.

    Raises:
        NotAnImage: it is not read; the message names it.
        CorruptImage: it does not fit the samples.
    """
    if coding in PICTURES:
        if stored_bits != 8 or samples > 4:
            raise NotAnImage(
                f"JPEG or WebP in a TIFF with {samples} samples of {stored_bits} bits; expected 8"
            )
        start = page.first(513 if coding in OLD_JPEG else 324 if 324 in page else 273, 0)
        if coding in JPEG:
            refuse_rare_coding(upload, start)
        elif coding in OLD_JPEG and upload[start : start + 2] != b"\xff\xd8":
            raise NotAnImage("TIFF with JPEG in the style of TIFF 6.0, in pieces")
    elif coding in CCITT and (stored_bits, samples) != (1, 1):
        raise CorruptImage(f"fax compression of {samples} samples of {stored_bits} bits; expected 1 of 1")
    elif coding not in (*UNCODED, *CCITT, *PACKED):
        name = _OTHER_CODINGS.get(coding, f"number {coding}")
        raise NotAnImage(f"TIFF with compression {name}, which is not read")


def is_differenced(page: Directory, coding: int, stored_bits: int) -> bool:
    """Return whether samples are stored as differences to those on their left.

    Raises:
        NotAnImage: by another predictor, or of a depth for which none is defined.
    """
    predictor = page.first(317, 1)
    if predictor == 1 or coding not in PACKED:  # others know none
        return False
    if predictor != 2 or stored_bits not in (8, 16, 32):
        raise NotAnImage(f"TIFF with predictor {predictor} over samples of {stored_bits} bits")
    return True


def segment_hw(page: Directory, width: int, height: int, bits_px: int) -> tuple[int, int]:
    """Return height and width of the strips or tiles of a page.

    Raises:
        CorruptImage: tiles without area, or of more than `MOST_TILE_BYTES`.
    """
    if page.first(259, 1) in OLD_JPEG:  # one stream, wherever strips are said to begin
        return height, width
    if 322 not in page:
        rows = page.first(278, height)
        return (min(rows, height) if rows > 0 else height), width
    tile_hw = page.first(323, 0), page.first(322, 0)
    if min(tile_hw) < 1 or tile_hw[0] * tile_hw[1] * bits_px > 8 * MOST_TILE_BYTES:
        raise CorruptImage(f"TIFF has tiles of {tile_hw[1]}x{tile_hw[0]} px")
    return tile_hw
