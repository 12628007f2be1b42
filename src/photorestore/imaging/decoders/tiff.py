"""Decode TIFFs whose layout was read, of 8 and of 16 bits by the same steps."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.header import Header, decoding
from photorestore.imaging.metadata.exif import exif_of_tiff
from photorestore.imaging.metadata.xmp import orientation_in
from photorestore.imaging.planes import as_stored
from photorestore.imaging.tiff.layout import Layout
from photorestore.imaging.tiff.samples import colour_rows
from photorestore.workspace import Array

_ICC_TAG, _XMP_TAG = 34675, 700


class TiffPicture(ABC):
    """A TIFF; see `header.Picture`."""

    def __init__(self, upload: bytes, layout: Layout) -> None:
        self._upload = upload
        self._layout = layout
        self.header = _header(upload, layout)

    def decode(self, image: Array, alpha: Array | None) -> None:
        with decoding(self._upload, "tiff"):
            target = as_stored(image, self.header.orientation)
            opacity = None if alpha is None else as_stored(alpha, self.header.orientation)
            if self._is_in_srgb():
                self._read(target, opacity)
                return
            count = {"L": 1, "RGB": 3, "CMYK": 4}[self._layout.space]
            colours = np.empty((*target.shape[1:], count), image.dtype)
            self._read(np.moveaxis(colours, -1, 0), opacity)
        self._convert(colours, target)

    @abstractmethod
    def _convert(self, colours: Array, target: Array) -> None:
        """Write colours (H, W, 1 | 3 | 4), by the profile or of CMYK, into a plane (3, H, W) in sRGB."""

    def _is_in_srgb(self) -> bool:
        icc = self.header.icc
        return self._layout.space != "CMYK" and (icc is None or conversion.is_srgb(icc))

    def _read(self, target: Array, opacity: Array | None) -> None:
        """Write the colours, channel by channel, into planes (C, H, W); the only one of grey into all."""
        for rows, colours, alpha in colour_rows(self._upload, self._layout):
            for channel, plane in enumerate(target):
                plane[rows] = colours[..., channel if colours.shape[-1] > 1 else 0]
            if opacity is not None and alpha is not None:
                opacity[0, rows] = alpha


def _header(upload: bytes, layout: Layout) -> Header:
    page, dropped = layout.page, list(layout.dropped)
    xmp = page.blob(_XMP_TAG)
    header = Header(
        format="tiff",
        mode=layout.mode,
        bits=layout.bits,
        width=layout.width,
        height=layout.height,
        orientation=layout.orientation or orientation_in(xmp) or 1,
        has_alpha=layout.alpha is not None,
        is_grey=layout.space == "L",
        exif=exif_of_tiff(upload, page.offset, dropped),
        xmp=xmp,
        dropped=dropped,
    )
    header.keep_profile(page.blob(_ICC_TAG), layout.space)
    header.take_told(upload, layout.space, page.offset)
    return header
