"""16-bit pictures in libvips, beside Pillow, which would read them as 8-bit (docs/adr/0003).

Only PNG and TIFF come here, and only those loaders of libvips are open at all.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from photorestore.errors import CorruptImage
from photorestore.imaging import colour
from photorestore.imaging.blocks import exif_in, orientation_of, xmp_in
from photorestore.imaging.header import Header, decoding
from photorestore.imaging.planes import strips, turned
from photorestore.imaging.sniff import Limits, check_size
from photorestore.workspace import Array

_LOADERS = {"png": "VipsForeignLoadPng", "tiff": "VipsForeignLoadTiff"}
_CMYK = "cmyk"
_ALPHA_BANDS = (2, 4)


@functools.cache
def vips() -> Any:
    """The library, with all loaders but ours blocked and no cache of operations, which would keep pictures."""
    import pyvips  # noqa: PLC0415 - half of all requests never need it

    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in _LOADERS.values():
        pyvips.operation_block_set(loader, False)
    pyvips.cache_set_max(0)
    return pyvips


def open_deep(upload: bytes, kind: str, limits: Limits) -> DeepPicture | None:
    """The picture if it has 16 bits per channel, otherwise None.

    Raises:
        TruncatedImage, CorruptImage, ImageTooLarge: as in `acquire.open_picture`.
    """
    if kind == "png" and upload[24:25] != b"\x10":
        return None
    if kind not in _LOADERS:
        return None
    try:
        image = _open(upload)
    except vips().Error:
        return None  # Pillow will say what is wrong with it, or read it
    if image.format != "ushort":
        return None
    check_size(image.width, image.height, limits)
    with decoding(upload, kind):
        return DeepPicture(upload, kind, image)


def _open(upload: bytes) -> Any:
    return vips().Image.new_from_buffer(upload, "", access="sequential", fail_on="error")


class DeepPicture:
    """A 16-bit PNG or TIFF whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, kind: str, image: Any) -> None:
        self._upload = upload
        self._image = image
        self._is_cmyk = image.interpretation == _CMYK
        if image.bands > 4 + self._is_cmyk:
            raise CorruptImage(f"image has {image.bands} channels of 16 bits; expected 1 to 4")
        self.header = self._read_header(kind)

    def _read_header(self, kind: str) -> Header:
        image = self._image
        colours = image.bands - (not self._is_cmyk and image.bands in _ALPHA_BANDS)
        dropped = list[str]()
        exif = exif_in(self._upload, kind, None, dropped)
        xmp = xmp_in(self._upload, kind, _field(image, "xmp-data"), dropped)
        header = Header(
            format=kind,
            mode="CMYK;16"
            if self._is_cmyk
            else {1: "L;16", 2: "LA;16", 3: "RGB;16", 4: "RGBA;16"}[image.bands],
            bits=16,
            width=image.width,
            height=image.height,
            has_alpha=not self._is_cmyk and image.bands in _ALPHA_BANDS,
            is_grey=colours == 1,
            exif=exif,
            xmp=xmp,
            orientation=orientation_of(self._upload, kind, exif, xmp),
            dropped=dropped,
        )
        header.keep_profile(
            _field(image, "icc-profile-data"), "CMYK" if self._is_cmyk else "L" if colours == 1 else "RGB"
        )
        if (_field(image, "n-pages") or 1) > 1:
            header.dropped.append("further pages")
        return header

    def decode(self, image: Array, alpha: Array | None) -> None:
        orientation = self.header.orientation
        upright = None if alpha is None else turned(alpha, orientation)
        with decoding(self._upload, self.header.format):
            _copy(self._in_srgb(), turned(image, orientation), upright)

    def _in_srgb(self) -> Any:
        """A lazy picture in sRGB of the same depth and alpha."""
        header, image = self.header, self._image
        is_known = header.icc is None or colour.is_srgb(header.icc)
        if is_known and not self._is_cmyk:
            return image
        return image.icc_transform("srgb", embedded=True, input_profile=_CMYK, depth=16, intent="relative")


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


def _field(image: Any, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None
