"""From planes to the bytes of a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from photorestore.imaging import colour
from photorestore.imaging.attach import attach
from photorestore.imaging.attachments import Attachments
from photorestore.imaging.deep import vips
from photorestore.imaging.negotiate import keeps_16_bits, keeps_alpha
from photorestore.imaging.planes import luma, to_pillow, to_u8
from photorestore.workspace import Array


@dataclass(slots=True)
class Outgoing:
    """A picture to encode.

    Attributes:
        image: (3, H, W), uint8 or uint16, sRGB.
        alpha: (1, H, W), uint8 or uint16, or None.
        bits: 8 or 16: the depth to deliver, where the format can.
        is_grey: deliver one channel of colour.
        attachments: metadata to embed.
        source_icc: file of the profile to convert to and to embed; None = sRGB.
        dropped: what the format could not hold; filled by `encode`.
    """

    image: Array
    alpha: Array | None
    bits: int
    is_grey: bool
    attachments: Attachments = field(default_factory=Attachments)
    source_icc: Path | None = None
    dropped: list[str] = field(default_factory=list)

    def settle(self, name: str) -> None:
        """Leave out what the format `name` cannot hold, and say so."""
        if self.bits == 16 and not keeps_16_bits(name):
            self.dropped.append(f"16 bits: {name} holds 8")
            self.bits = 8
        if self.alpha is not None and not keeps_alpha(name):
            self.dropped.append(f"alpha: {name} holds none; shown on white")
        self.attachments.settle(name, self.dropped)


def encode(outgoing: Outgoing, name: str, quality: int) -> bytes | memoryview:
    """The bytes of a picture in the format `name`, one of `FORMATS`; `outgoing.dropped` says what was lost."""
    outgoing.settle(name)
    is_deep = outgoing.bits == 16
    content = _encode_16(outgoing, name) if is_deep else _encode_8(outgoing, name, quality)
    return attach(content, name, outgoing.attachments, outgoing.dropped)


def _encode_8(outgoing: Outgoing, name: str, quality: int) -> memoryview:
    plane = to_u8(luma(outgoing.image) if outgoing.is_grey else outgoing.image)
    image, icc = _in_target_space(outgoing, to_pillow(plane))
    if outgoing.alpha is not None:
        image = _with_alpha(image, to_u8(outgoing.alpha), name)
    settings = _settings(outgoing, name, quality)
    file = io.BytesIO()
    image.save(file, name.upper(), icc_profile=icc, **settings)
    return file.getbuffer()


def _in_target_space(outgoing: Outgoing, image: Image.Image) -> tuple[Image.Image, bytes]:
    """The picture in the colour space asked for, and the profile that says so."""
    if outgoing.source_icc is not None:
        icc = outgoing.source_icc.read_bytes()
        converted = _to_source(image, icc)
        if converted is not None:
            return converted, icc
        outgoing.dropped.append("colour: the source's profile cannot be applied; sRGB")
    return image, colour.grey_profile() if image.mode == "L" else colour.srgb_profile()


def _to_source(image: Image.Image, icc: bytes) -> Image.Image | None:
    if colour.mode_of(icc) == "RGB" and colour.is_srgb(icc):
        return image
    return colour.from_srgb(image.convert("RGB"), icc)


def _with_alpha(image: Image.Image, alpha: npt.NDArray[np.uint8], name: str) -> Image.Image:
    opacity = to_pillow(alpha)
    if keeps_alpha(name):
        image.putalpha(opacity)
        return image
    white = Image.new(image.mode, image.size, "white")
    white.paste(image, mask=opacity)
    return white


def _settings(outgoing: Outgoing, name: str, quality: int) -> dict[str, Any]:
    """What Pillow is told, with the metadata of formats into which `attach` puts none."""
    match name:
        case "jpeg":  # 4:2:0 alone would cost more than a careful restoration
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


def _encode_16(outgoing: Outgoing, name: str) -> bytes:
    """By libvips, band by band from the mapped planes: no interleaved copy of the picture is made."""
    image = _joined(luma(outgoing.image) if outgoing.is_grey else outgoing.image)
    icc = colour.grey_profile() if outgoing.is_grey else colour.srgb_profile()
    if outgoing.source_icc is not None:
        icc = outgoing.source_icc.read_bytes()
        if not colour.is_srgb(icc):
            image = image.colourspace("rgb16").icc_transform(
                str(outgoing.source_icc), input_profile="srgb", depth=16, intent="relative"
            )
    if outgoing.alpha is not None:
        image = image.bandjoin(_joined(outgoing.alpha))
    image = image.copy()
    image.set_type(vips().GValue.blob_type, "icc-profile-data", icc)
    encoded: bytes = _SAVE_16[name](image)
    return encoded


def _joined(plane: Array) -> Any:
    """A lazy libvips picture over a plane (C, H, W) of uint16."""
    _, height, width = plane.shape
    bands = [vips().Image.new_from_memory(band.data, width, height, 1, "ushort") for band in plane]
    if len(bands) == 1:
        return bands[0].copy(interpretation="grey16")
    return bands[0].bandjoin(bands[1:]).copy(interpretation="rgb16")


_SAVE_16: dict[str, Callable[[Any], bytes]] = {
    "png": lambda image: image.pngsave_buffer(compression=1, keep="icc"),
    "tiff": lambda image: image.tiffsave_buffer(compression="lzw", predictor="horizontal", keep="icc"),
}
