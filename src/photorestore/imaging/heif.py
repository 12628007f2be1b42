"""HEIF pictures coded with HEVC (HEIC), decoded by libheif and libde265 (docs/adr/0018).

What the container says of turning and cutting, `irot`, `imir` and `clap`, is done by libheif. Only that counts: EXIF's
orientation is a copy of it for those who convert the file (ISO/IEC 23008-12).
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from photorestore.errors import NotAnImage
from photorestore.imaging.header import Header, decoding
from photorestore.imaging.hevc import coded_sizes
from photorestore.imaging.metadata import orientation_told
from photorestore.imaging.pixels import depth_of, to_full_range, without_premultiplying, write_pixels
from photorestore.imaging.sniff import Limits, check_size
from photorestore.workspace import Array

_OTHER_CODECS = {
    b"av01": "AV1",
    b"avc1": "AVC",
    b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG",
    b"unci": "no compression",
}
_CODED = re.compile(rb"infe[\2\3].{7,9}(hvc1|" + b"|".join(_OTHER_CODECS) + rb")", re.DOTALL)


@functools.cache
def _library() -> Any:
    """With nothing opened but pictures."""
    import pillow_heif  # noqa: PLC0415 - most requests never need it

    pillow_heif.options.THUMBNAILS = pillow_heif.options.DEPTH_IMAGES = pillow_heif.options.AUX_IMAGES = False
    return pillow_heif


def open_heif(upload: bytes, kind: str, limits: Limits) -> HeifPicture:
    """The primary picture of a HEIF file.

    Raises:
        NotAnImage: it is coded otherwise than with HEVC.
        TruncatedImage, CorruptImage, ImageTooLarge: as in `acquire.open_picture`.
    """
    meta = b"".join(_meta(upload))
    codecs = set(_CODED.findall(meta))
    if codecs and b"hvc1" not in codecs:
        names = ", ".join(sorted(_OTHER_CODECS[codec] for codec in codecs))
        raise NotAnImage(f"HEIF coded with {names}; expected HEVC")
    for width, height in coded_sizes(meta):
        check_size(width, height, limits)
    with decoding(upload, kind):
        file = _library().open_heif(upload, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        picture = HeifPicture(upload, kind, file, told_by_container=b"irot" in meta or b"imir" in meta)
        check_size(picture.header.width, picture.header.height, limits)
        return picture


def _meta(upload: bytes) -> Iterator[bytes]:
    """The contents of the boxes that describe the picture; `heads` has counted all boxes."""
    start = 0
    while start + 16 <= len(upload):
        length, name = struct.unpack_from(">I4s", upload, start)
        if length == 1:
            (length,) = struct.unpack_from(">Q", upload, start + 8)
        end = start + length if length >= 8 else len(upload)
        if name in (b"meta", b"moov"):
            yield upload[start:end]
        start = end


class HeifPicture:
    """A HEIF picture whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, kind: str, file: Any, *, told_by_container: bool) -> None:
        self._upload = upload
        self._image = file[file.primary_index]
        self._bits = int(self._image.info["bit_depth"])
        self.header = self._read_header(kind, told_by_container=told_by_container)
        if len(file) > 1:
            self.header.dropped.append("further pictures")

    def _read_header(self, kind: str, *, told_by_container: bool) -> Header:
        image = self._image
        channels = image.mode.partition(";")[0]
        width, height = image.size
        header = Header(
            format=kind,
            mode=image.mode,
            bits=depth_of(self._bits),
            width=width,
            height=height,
            has_alpha=channels[-1] in "Aa",
            is_grey=channels in ("L", "I"),
            exif=image.info.get("exif"),
            xmp=image.info.get("xmp"),
        )
        profile_mode = "L" if header.is_grey else "RGB"
        header.keep_profile(image.info.get("icc_profile"), profile_mode)
        header.take_told(self._upload, profile_mode)
        told = orientation_told(header.exif) or 1
        if told != 1 and not told_by_container:
            header.dropped.append(
                f"orientation: EXIF says {told}; in HEIF the container counts, which does not turn"
            )
        return header

    def decode(self, image: Array, alpha: Array | None) -> None:
        header = self.header
        with decoding(self._upload, header.format):
            samples = np.asarray(self._image)
            samples = to_full_range(samples.reshape(header.height, header.width, -1), self._bits)
            opacity = samples[..., -1] if header.has_alpha else None
            colours = samples[..., :3] if opacity is not None else samples
            if opacity is not None and self._image.premultiplied_alpha:
                colours = without_premultiplying(colours, opacity)
            write_pixels(colours, opacity, header, image, alpha)
