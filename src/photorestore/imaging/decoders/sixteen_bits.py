"""Decode 16-bit pictures by libvips, since Pillow would read them as 8-bit (docs/adr/0003).

PNG is decoded here. A TIFF's samples come from `tiff.samples`, and only their colours are converted here. All other
loaders of libvips are blocked.
"""

from __future__ import annotations

import functools
import zlib
from typing import Any

import numpy as np

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.header import Header, decoding
from photorestore.imaging.decoders.tiff import TiffPicture
from photorestore.imaging.files.sniff import Limits, check_size, png_chunk
from photorestore.imaging.metadata.blocks import exif_in, orientation_of, xmp_in
from photorestore.imaging.planes import as_stored
from photorestore.pixels.bands import strips
from photorestore.workspace import Array

_LOADERS = {"png": "VipsForeignLoadPng", "tiff": "VipsForeignLoadTiff"}
_CMYK = "cmyk"
_ALPHA_BANDS = (2, 4)
LONGEST_PROFILE = 16 << 20
"""Bytes of a PNG's profile, unpacked."""
CONVERSION = {"depth": 16, "intent": "relative", "black_point_compensation": True}
"""How libvips converts profiles: as `colour.conversion` does."""


@functools.cache
def vips() -> Any:
    """Return pyvips, with all loaders but ours blocked and no cache of operations, which would keep pictures."""
    import pyvips  # noqa: PLC0415 - half of all requests never need it

    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in _LOADERS.values():
        pyvips.operation_block_set(loader, False)
    pyvips.cache_set_max(0)
    return pyvips


@functools.cache
def cmyk_profile() -> bytes:
    """Return the profile of CMYK without one of its own, in 8 and in 16 bits: the one that libvips brings."""
    return bytes(vips().Image.profile_load("cmyk"))


def open_16_bit_png(upload: bytes, limits: Limits) -> SixteenBitPng:
    """Open a PNG of 16 bits per channel.

    Raises:
        TruncatedImage, CorruptImage, ImageTooLarge: as in `acquire.open_picture`.
    """
    with decoding(upload, "png"):
        image = vips().Image.new_from_buffer(upload, "", access="sequential", fail_on="error")
        check_size(image.width, image.height, limits)
        return SixteenBitPng(upload, image)


def is_16_bit_png(upload: bytes, kind: str) -> bool:
    """Return whether an upload is a PNG whose head says 16 bits."""
    return kind == "png" and upload[24:25] == b"\x10"


class SixteenBitPng:
    """A 16-bit PNG whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, image: Any) -> None:
        self._upload = upload
        self._image = image
        self.header = self._read_header()

    def _read_header(self) -> Header:
        image = self._image
        has_alpha = image.bands in _ALPHA_BANDS
        colours = image.bands - has_alpha
        dropped = list[str]()
        exif = exif_in(self._upload, "png", None)
        xmp = xmp_in(self._upload, "png", None, dropped)
        header = Header(
            format="png",
            mode={1: "L;16", 2: "LA;16", 3: "RGB;16", 4: "RGBA;16"}[image.bands],
            bits=16,
            width=image.width,
            height=image.height,
            has_alpha=has_alpha,
            is_grey=colours == 1,
            exif=exif,
            xmp=xmp,
            orientation=orientation_of(exif, xmp),
            dropped=dropped,
        )
        profile_mode = "L" if colours == 1 else "RGB"
        header.keep_profile(_profile(self._upload, image), profile_mode)
        header.take_told(self._upload, profile_mode)
        if int.from_bytes((png_chunk(self._upload, b"acTL") or b"")[:4], "big") > 1:
            header.dropped.append("further frames")
        return header

    def decode(self, image: Array, alpha: Array | None) -> None:
        orientation = self.header.orientation
        upright = None if alpha is None else as_stored(alpha, orientation)
        with decoding(self._upload, self.header.format):
            _copy(in_srgb(self._image, self.header), as_stored(image, orientation), upright)


class SixteenBitTiff(TiffPicture):
    """A TIFF of more than 8 bits per channel, whose colours are converted by libvips."""

    def _convert(self, colours: Array, target: Array) -> None:
        height, width, count = colours.shape
        image = vips().Image.new_from_memory(colours.data, width, height, count, "ushort")
        image = image.copy(interpretation={1: "grey16", 3: "rgb16", 4: _CMYK}[count])
        _copy(in_srgb(image, self.header), target, None)


def in_srgb(image: Any, header: Header) -> Any:
    """Return a lazy picture in sRGB of the same depth and alpha."""
    if header.icc is not None and not conversion.can_be_applied(header.icc):
        header.dropped.append("icc: the profile cannot be applied")
        header.icc = None
    icc = header.icc or (cmyk_profile() if image.interpretation == _CMYK else None)
    if icc is None or conversion.is_srgb(icc):
        return image
    image = image.copy()
    image.set_type(vips().GValue.blob_type, "icc-profile-data", icc)
    return image.icc_transform("srgb", embedded=True, **{**CONVERSION, "depth": header.bits})


def joined(plane: Array) -> Any:
    """Return a lazy libvips picture over a plane (C, H, W) of uint16."""
    _, height, width = plane.shape
    bands = [vips().Image.new_from_memory(band.data, width, height, 1, "ushort") for band in plane]
    if len(bands) == 1:
        return bands[0].copy(interpretation="grey16")
    return bands[0].bandjoin(bands[1:]).copy(interpretation="rgb16")


def _copy(source: Any, image: Array, alpha: Array | None) -> None:
    """Write a lazy picture into planes (3, H, W) and (1, H, W), some rows at a time."""
    width, height, bands = source.width, source.height, source.bands
    region = vips().Region.new(source)
    for rows in strips(height, width):
        fetched = region.fetch(0, rows.start, width, rows.stop - rows.start)
        values = np.frombuffer(fetched, np.uint16).reshape(-1, width, bands)
        for channel, target in enumerate(image):
            target[rows] = values[..., channel if bands >= 3 else 0]
        if alpha is not None:
            alpha[0, rows] = values[..., -1]


def _profile(upload: bytes, image: Any) -> bytes | None:
    """Return the file's profile, also one that does not fit, which libvips leaves out; empty if it cannot be read."""
    if image.get_typeof("icc-profile-data") and (found := image.get("icc-profile-data")):
        return bytes(found)
    chunk = png_chunk(upload, b"iCCP")
    if chunk is None:
        return None
    try:
        return zlib.decompressobj().decompress(chunk[chunk.index(b"\0") + 2 :], LONGEST_PROFILE)
    except (ValueError, zlib.error):
        return b""
