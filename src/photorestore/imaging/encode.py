"""Encode planes as the bytes of a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.sixteen_bits import joined, vips
from photorestore.imaging.metadata.attach import attach
from photorestore.imaging.metadata.attachments import Attachments
from photorestore.imaging.negotiate import keeps_16_bits, keeps_alpha
from photorestore.imaging.planes import luma, to_pillow, to_u8
from photorestore.workspace import Array


@dataclass(slots=True)
class Outgoing:
    """A picture to encode.

    Attributes:
        image: (3, H, W), or (1, H, W) if grey, uint8 or uint16, in the colours of `icc`.
        alpha: (1, H, W), uint8 or uint16, or None.
        bits: 8 or 16: the depth to deliver if the format holds it.
        is_grey: deliver one channel of colour.
        icc: the profile to embed; None = sRGB.
        attachments: metadata to embed.
        dropped: what the format could not hold; filled by `encode`.
    """

    image: Array
    alpha: Array | None
    bits: int
    is_grey: bool
    icc: bytes | None = None
    attachments: Attachments = field(default_factory=Attachments)
    dropped: list[str] = field(default_factory=list)

    def settle(self, name: str) -> None:
        """Leave out what the format `name` cannot hold, and name it in `dropped`."""
        if self.bits == 16 and not keeps_16_bits(name):
            self.dropped.append(f"16 bits: {name} holds 8")
            self.bits = 8
        if self.alpha is not None and not keeps_alpha(name):
            self.dropped.append(f"alpha: {name} holds none; shown on white")
        self.attachments.settle(name, self.dropped)


def encode(outgoing: Outgoing, name: str, quality: int) -> bytes | memoryview:
    """Encode a picture in the format `name`, one of `FORMATS`; `outgoing.dropped` names what was lost."""
    outgoing.settle(name)
    file = _encode_16(outgoing, name) if outgoing.bits == 16 else _encode_8(outgoing, name, quality)
    return attach(file, name, outgoing.attachments, outgoing.dropped)


def _encode_8(outgoing: Outgoing, name: str, quality: int) -> io.BytesIO:
    image = to_pillow(to_u8(_colours(outgoing)))
    if outgoing.alpha is not None:
        image = _with_alpha(image, to_u8(outgoing.alpha), name)
    settings = _settings(outgoing, name, quality)
    file = io.BytesIO()
    image.save(file, name.upper(), icc_profile=_profile(outgoing), **settings)
    return file


def _colours(outgoing: Outgoing) -> Array:
    """(1 or 3, H, W)."""
    image = outgoing.image
    return luma(image) if outgoing.is_grey and len(image) == 3 else image


def _profile(outgoing: Outgoing) -> bytes:
    """Return the profile of the colours."""
    return outgoing.icc or (conversion.grey_profile() if outgoing.is_grey else conversion.srgb_profile())


def _with_alpha(image: Image.Image, alpha: npt.NDArray[np.uint8], name: str) -> Image.Image:
    opacity = to_pillow(alpha)
    if keeps_alpha(name):
        image.putalpha(opacity)
        return image
    white = Image.new(image.mode, image.size, "white")
    white.paste(image, mask=opacity)
    return white


def _settings(outgoing: Outgoing, name: str, quality: int) -> dict[str, object]:
    """Return Pillow's settings, with the metadata in formats that `attach` does not handle."""
    match name:
        case "jpeg":  # 4:2:0 would lose more than a careful restoration gains
            return {"quality": quality, "subsampling": "4:4:4"}
        case "png":
            return {"compress_level": 1}
        case "tiff":
            return {}
        case "avif":
            subsampling = "4:0:0" if outgoing.is_grey else "4:4:4"
            return {
                "quality": quality,
                "subsampling": subsampling,
                "speed": 8,
                **_blocks(outgoing.attachments),
            }
        case _:
            return {"quality": quality, **_blocks(outgoing.attachments)}


def _blocks(attachments: Attachments) -> dict[str, bytes]:
    exif = {} if attachments.exif is None else {"exif": attachments.exif.block()}
    return exif | ({"xmp": attachments.xmp} if attachments.xmp else {})


def _encode_16(outgoing: Outgoing, name: str) -> io.BytesIO:
    """Encode by libvips, band by band from the mapped planes, without an interleaved copy of the picture."""
    image = joined(_colours(outgoing))
    if outgoing.alpha is not None:
        image = image.bandjoin(joined(outgoing.alpha))
    image = image.copy()
    image.set_type(vips().GValue.blob_type, "icc-profile-data", _profile(outgoing))
    return io.BytesIO(_SAVE_16[name](image))  # not copied, as no other name refers to the bytes


_SAVE_16: dict[str, Callable[[Any], bytes]] = {
    "png": lambda image: image.pngsave_buffer(compression=1, keep="icc"),
    "tiff": lambda image: image.tiffsave_buffer(compression="lzw", predictor="horizontal", keep="icc"),
}
