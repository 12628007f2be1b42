"""Decode AVIF pictures by libavif through Pillow, which neither cuts nor rotates them: both are done here."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.decoders.header import Header, decoding
from photorestore.imaging.decoders.pixels import write_pixels
from photorestore.imaging.files.sniff import Limits
from photorestore.imaging.iso.heif_header import Head, read_head
from photorestore.imaging.iso.heif_items import orientation_by
from photorestore.imaging.metadata.exif import orientation_told
from photorestore.imaging.metadata.xmp import orientation_in
from photorestore.workspace import Array

_ORDER = (b"clap", b"irot", b"imir")
"""Order in which a picture is cut, rotated and mirrored (ISO/IEC 23000-22, 7.3.6.7)."""


def open_avif(upload: bytes, limits: Limits) -> AvifPicture:
    """Open the primary picture of an AVIF; its head is read without libavif.

    Raises:
        NotAnImage: it is a sequence without a picture, or coded otherwise than with AV1.
        TruncatedImage, CorruptImage, ImageTooLarge: as in `acquire.open_picture`.
    """
    with decoding(upload, "avif"):
        return AvifPicture(upload, read_head(upload, b"av01", limits))


class AvifPicture:
    """An AVIF whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, head: Head) -> None:
        self._upload = upload
        self._head = head
        orientation = self._orientation()
        width, height = (head.height, head.width) if orientation >= 5 else (head.width, head.height)
        is_grey = head.is_monochrome and not head.has_alpha
        self.header = header = Header(
            format="avif",
            mode="RGBA" if head.has_alpha else "L" if is_grey else "RGB",
            bits=8,
            width=width,
            height=height,
            orientation=orientation,
            has_alpha=head.has_alpha,
            is_grey=is_grey,
            exif=head.exif,
            xmp=head.xmp,
        )
        profile_mode = "L" if is_grey else "RGB"
        header.keep_profile(head.icc, profile_mode)
        header.take_told(upload, profile_mode, nclx=head.nclx)
        header.dropped += head.dropped
        if head.bits > 8:
            header.dropped.append(f"{head.bits} bits: decoded to 8")

    def _orientation(self) -> int:
        """Return what the container says, else EXIF, else XMP.

        Raises:
            NotAnImage: the container lists cut, rotation and mirror in a forbidden order.
        """
        head = self._head
        names = [box.name for box in head.transformations]
        if names != [name for name in _ORDER if name in names]:
            raise NotAnImage("AVIF that is not first cut, then turned and then mirrored, as it has to be")
        if names not in ([], [b"clap"]):
            return orientation_by(self._upload, head.transformations)
        return 1 if orientation_told(head.exif) else orientation_in(head.xmp) or 1

    def decode(self, image: Array, alpha: Array | None) -> None:
        with decoding(self._upload, "avif"):
            found = Image.open(io.BytesIO(self._upload), formats=("AVIF",))
            if (found.size, found.mode) != (self._head.stored, self.header.mode):
                raise CorruptImage("the AVIF holds another picture than it tells")
            x, y = self._head.corner
            samples = np.atleast_3d(np.asarray(found))
            samples = samples[y : y + self.header.height, x : x + self.header.width]
            opacity = samples[..., 3] if self.header.has_alpha else None
            write_pixels(samples[..., :3], opacity, self.header, image, alpha)
