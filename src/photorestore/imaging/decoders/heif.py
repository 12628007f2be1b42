"""Decode HEIF pictures coded with HEVC (HEIC) by libheif and libde265 (docs/adr/0018).

libheif rotates, mirrors and cuts as the container says (`irot`, `imir`, `clap`). Only that counts: EXIF's orientation
is a copy of it, for converters of the file (ISO/IEC 23008-12).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from photorestore.errors import CorruptImage
from photorestore.imaging.decoders.header import Header, decoding
from photorestore.imaging.decoders.pixels import depth_of, to_full_range, without_premultiplying, write_pixels
from photorestore.imaging.files.sniff import Limits
from photorestore.imaging.iso.heif_header import Head, read_head
from photorestore.imaging.metadata.blocks import orientation_of
from photorestore.workspace import Array


@functools.cache
def _library() -> Any:
    """Return pillow_heif, set to open nothing but pictures."""
    import pillow_heif  # noqa: PLC0415 - most requests never need it

    pillow_heif.options.THUMBNAILS = pillow_heif.options.DEPTH_IMAGES = pillow_heif.options.AUX_IMAGES = False
    return pillow_heif


def open_heif(upload: bytes, kind: str, limits: Limits) -> HeifPicture:
    """Open the primary picture of a HEIF file; its head is read without libheif.

    Raises:
        NotAnImage: it is coded otherwise than with HEVC.
        TruncatedImage, CorruptImage, ImageTooLarge: as in `acquire.open_picture`.
    """
    with decoding(upload, kind):
        return HeifPicture(upload, kind, read_head(upload, b"hvc1", limits))


class HeifPicture:
    """A HEIF picture whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, kind: str, head: Head) -> None:
        self._upload = upload
        self._head = head
        self.header = self._read_header(kind)

    def _read_header(self, kind: str) -> Header:
        head = self._head
        header = Header(
            format=kind,
            mode=_mode(head),
            bits=depth_of(head.bits),
            width=head.width,
            height=head.height,
            has_alpha=head.has_alpha,
            is_grey=head.is_monochrome and not head.has_alpha,
            exif=head.exif,
            xmp=head.xmp,
        )
        profile_mode = "L" if header.is_grey else "RGB"
        header.keep_profile(head.icc, profile_mode)
        header.take_told(self._upload, profile_mode, nclx=head.nclx)
        header.dropped += head.dropped
        told = orientation_of(header.exif, header.xmp)
        if told != 1 and not any(box.name in (b"irot", b"imir") for box in head.transformations):
            header.dropped.append(
                f"orientation: EXIF or XMP says {told}; in HEIF the container counts, which does not turn"
            )
        return header

    def decode(self, image: Array, alpha: Array | None) -> None:
        header = self.header
        with decoding(self._upload, header.format):
            found = self._found()
            samples = np.asarray(found)
            samples = to_full_range(samples.reshape(header.height, header.width, -1), self._head.bits)
            opacity = samples[..., -1] if header.has_alpha else None
            colours = samples[..., :3] if opacity is not None else samples
            if opacity is not None and self._head.is_premultiplied:
                colours = without_premultiplying(colours, opacity)
            write_pixels(colours, opacity, header, image, alpha)

    def _found(self) -> Any:
        """Return the picture as the library finds it.

        Raises:
            CorruptImage: it differs from what the head says, by which the limits were checked.
        """
        file = _library().open_heif(self._upload, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        image = file[file.primary_index]
        header = self.header
        told = (header.width, header.height, header.mode, self._head.bits)
        if (*image.size, image.mode, image.info["bit_depth"]) != told:
            raise CorruptImage(f"the {header.format.upper()} holds another picture than it tells")
        return image


def _mode(head: Head) -> str:
    """The library's name for such pixels."""
    depth = "" if head.bits == 8 else ";10" if head.bits == 10 else ";12"
    if head.is_monochrome and not head.has_alpha:
        return "I" + depth if depth else "L"
    alpha = ("a" if head.is_premultiplied else "A") if head.has_alpha else ""
    return "RGB" + alpha + depth
