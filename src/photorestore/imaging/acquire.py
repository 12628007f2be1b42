"""Turn an upload's bytes into planes.

`open_picture` reads no more than the header; a picture's `decode` writes the pixels, upright and in sRGB, straight
from the decoder's buffer into the planes given; who will call it opens by `open_to_decode`. 8-bit pictures are decoded
by Pillow (a JPEG bit by bit as by libjpeg-turbo), PNGs of 16 bits by libvips (`sixteen_bits`), and TIFFs of any depth
as their `layout` says. HEIF, AVIF, JPEG 2000 and cameras' raw files have readers of their own, and no library sees a
byte of them before.
"""

from __future__ import annotations

from photorestore.errors import TruncatedImage
from photorestore.imaging.by_pillow import EightBitTiff, open_by_pillow
from photorestore.imaging.decoders.avif import open_avif
from photorestore.imaging.decoders.header import Picture, decoding
from photorestore.imaging.decoders.heif import open_heif
from photorestore.imaging.decoders.jp2 import open_jp2
from photorestore.imaging.decoders.raw import Demosaic, RawPicture
from photorestore.imaging.decoders.raw_header import RawHead, read_cr3, read_raf, read_raw_tiff
from photorestore.imaging.decoders.sixteen_bits import (
    SixteenBitTiff,
    is_16_bit_png,
    open_16_bit_png,
)
from photorestore.imaging.files.ends import breaks_off
from photorestore.imaging.files.jpeg import refuse_rare_coding
from photorestore.imaging.files.png import without_long_texts
from photorestore.imaging.files.sniff import (
    HEIF,
    JPEG_2000,
    LIMITS,
    RAW,
    Limits,
    check_bytes,
    check_header,
    check_size,
    sniff,
)
from photorestore.imaging.heads import check_head
from photorestore.imaging.tiff.layout import layout_of
from photorestore.imaging.tiff.raw import find_raw


def open_picture(upload: bytes, limits: Limits = LIMITS) -> Picture:
    """Read an upload's header.

    Raises:
        PayloadTooLarge: too many bytes.
        ImageTooLarge: too many pixels, or a side too long.
        NotAnImage: not of an accepted format, or of samples that are neither 8 nor 16 bits.
        TruncatedImage, CorruptImage: it breaks off, or contradicts itself.
    """
    check_bytes(upload, limits)
    kind = sniff(upload)
    check_head(upload, kind)
    check_header(upload, kind, limits)
    if kind in HEIF:
        return open_heif(upload, kind, limits)
    if kind == "avif":
        return open_avif(upload, limits)
    if kind in JPEG_2000:
        return open_jp2(upload, kind, limits)
    if kind == "tiff":
        return _open_tiff(upload, limits)
    if kind in RAW:
        return _open_raw(upload, kind, limits)
    left_out: list[str] = []
    if kind == "png":
        upload, left_out = without_long_texts(upload)
    if kind == "jpeg":
        refuse_rare_coding(upload)
    picture = (
        open_16_bit_png(upload, limits)
        if is_16_bit_png(upload, kind)
        else open_by_pillow(upload, kind, limits)
    )
    picture.header.dropped += left_out
    return picture


def open_to_decode(upload: bytes, limits: Limits = LIMITS, demosaic: Demosaic | None = None) -> Picture:
    """Read an upload's header as exactly as its decoder does: that of a raw file by LibRaw, too, so not in the edge.

    Args:
        demosaic: by which raw files are demosaicked; None = by LibRaw.

    Raises:
        InvalidInput: as by `open_picture`.
    """
    picture = open_picture(upload, limits)
    if isinstance(picture, RawPicture):
        picture.demosaic = demosaic
        picture.identify(limits)
    return picture


def _open_tiff(upload: bytes, limits: Limits) -> Picture:
    with decoding(upload, "tiff"):
        if raw := find_raw(upload):
            return _raw_picture(upload, read_raw_tiff(upload, raw), limits)
        layout = layout_of(upload)
        check_size(layout.width, layout.height, limits)
        return EightBitTiff(upload, layout) if layout.bits == 8 else SixteenBitTiff(upload, layout)


def _open_raw(upload: bytes, kind: str, limits: Limits) -> RawPicture:
    if breaks_off(upload, kind):  # LibRaw would make a picture of what there is
        raise TruncatedImage(f"the {kind.upper()} breaks off before its end")
    with decoding(upload, kind):
        return _raw_picture(upload, read_raf(upload) if kind == "raf" else read_cr3(upload), limits)


def _raw_picture(upload: bytes, head: RawHead, limits: Limits) -> RawPicture:
    check_size(head.header.width, head.header.height, limits)
    return RawPicture(upload, head)
