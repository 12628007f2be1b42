"""From planes to the bytes of a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from photorestore.imaging import colour, metadata
from photorestore.imaging.deep import joined, vips
from photorestore.imaging.negotiate import keeps_16_bits, keeps_alpha
from photorestore.imaging.planes import luma, to_pillow, to_u8
from photorestore.workspace import Array

_XMP_TAG = 700
_JPEG_SEGMENT_BYTES = 65_000
"""The longest EXIF or XMP block that a JPEG takes in."""


@dataclass(slots=True)
class Outgoing:
    """A picture to encode.

    Attributes:
        image: (3, H, W), or (1, H, W) if grey, uint8 or uint16, in the colours of `icc`.
        alpha: (1, H, W), uint8 or uint16, or None.
        bits: 8 or 16: the depth to deliver, where the format can.
        is_grey: deliver one channel of colour.
        exif, xmp: blocks to embed.
        icc: the profile to embed; None = sRGB.
        dropped: what the format could not hold; filled by `encode`.
    """

    image: Array
    alpha: Array | None
    bits: int
    is_grey: bool
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    dropped: list[str] = field(default_factory=list)

    def settle(self, name: str) -> None:
        """Leave out what the format `name` cannot hold, and say so."""
        if self.bits == 16 and not keeps_16_bits(name):
            self.dropped.append(f"16 bits: {name} holds 8")
            self.bits = 8
        if self.alpha is not None and not keeps_alpha(name):
            self.dropped.append(f"alpha: {name} holds none; shown on white")
        if name != "jpeg":
            return
        for block in ("exif", "xmp"):
            if len(getattr(self, block) or b"") > _JPEG_SEGMENT_BYTES:
                self.dropped.append(f"{block}: too long for jpeg")
                setattr(self, block, None)


def encode(outgoing: Outgoing, name: str, quality: int) -> bytes | memoryview:
    """The bytes of a picture in the format `name`, one of `FORMATS`; `outgoing.dropped` says what was lost."""
    outgoing.settle(name)
    if outgoing.bits == 16:
        return _encode_16(outgoing, name)
    return _encode_8(outgoing, name, quality)


def _encode_8(outgoing: Outgoing, name: str, quality: int) -> memoryview:
    image = to_pillow(to_u8(_colours(outgoing)))
    if outgoing.alpha is not None:
        image = _with_alpha(image, to_u8(outgoing.alpha), name)
    settings = _settings(outgoing, name, quality)
    if outgoing.exif and name != "tiff":
        settings["exif"] = outgoing.exif
    file = io.BytesIO()
    image.save(file, name.upper(), icc_profile=_profile(outgoing), **settings)
    return file.getbuffer()


def _colours(outgoing: Outgoing) -> Array:
    """(1 or 3, H, W)."""
    image = outgoing.image
    return luma(image) if outgoing.is_grey and len(image) == 3 else image


def _profile(outgoing: Outgoing) -> bytes:
    """What says how the colours are meant."""
    return outgoing.icc or (colour.grey_profile() if outgoing.is_grey else colour.srgb_profile())


def _with_alpha(image: Image.Image, alpha: npt.NDArray[np.uint8], name: str) -> Image.Image:
    opacity = to_pillow(alpha)
    if keeps_alpha(name):
        image.putalpha(opacity)
        return image
    white = Image.new(image.mode, image.size, "white")
    white.paste(image, mask=opacity)
    return white


def _settings(outgoing: Outgoing, name: str, quality: int) -> dict[str, Any]:
    """What Pillow is told, metadata apart from ICC and EXIF included."""
    xmp = {"xmp": outgoing.xmp} if outgoing.xmp else {}
    match name:
        case "jpeg":  # 4:2:0 alone would cost more than a careful restoration
            return {"quality": quality, "subsampling": "4:4:4", **xmp}
        case "png":
            return {"compress_level": 1, "pnginfo": _png_text(outgoing.xmp)}
        case "tiff":
            return {"tiffinfo": _tiff_tags(outgoing)}
        case "avif":
            subsampling = "4:0:0" if outgoing.is_grey else "4:4:4"
            return {"quality": quality, "subsampling": subsampling, "speed": 8, **xmp}
        case _:
            return {"quality": quality, **xmp}


def _png_text(xmp: bytes | None) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    if xmp:
        chunks.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return chunks


def _tiff_tags(outgoing: Outgoing) -> Image.Exif:
    """EXIF and XMP together: Pillow takes a TIFF's tags from one place only.

    The file is not compressed: through libtiff, Pillow can write neither the EXIF nor the GPS directory.
    """
    exif = metadata.load_exif(outgoing.exif)
    described = None if exif is None else metadata.load_exif(metadata.descriptive(exif).tobytes())
    tags = described or Image.Exif()
    if outgoing.xmp:
        tags[_XMP_TAG] = outgoing.xmp
    return tags


def _encode_16(outgoing: Outgoing, name: str) -> bytes:
    """By libvips, band by band from the mapped planes: no interleaved copy of the picture is made."""
    image = joined(_colours(outgoing))
    if outgoing.alpha is not None:
        image = image.bandjoin(joined(outgoing.alpha))
    blocks = {"icc-profile-data": _profile(outgoing), "xmp-data": outgoing.xmp, "exif-data": outgoing.exif}
    if name == "tiff" and blocks.pop("exif-data"):
        outgoing.dropped.append("exif: not written into 16-bit tiff")
    image = image.copy()
    for block, content in blocks.items():
        if content:
            image.set_type(vips().GValue.blob_type, block, content)
    encoded: bytes = _SAVE_16[name](image)
    return encoded


_SAVE_16: dict[str, Callable[[Any], bytes]] = {
    "png": lambda image: image.pngsave_buffer(compression=1, keep="all"),
    "tiff": lambda image: image.tiffsave_buffer(compression="lzw", predictor="horizontal", keep="all"),
}
