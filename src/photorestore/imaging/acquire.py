"""From an upload's bytes to planes.

`open_picture` reads no more than the header; a picture's `decode` writes the pixels, upright and in sRGB, straight
from the decoder's buffer into the planes given. 8-bit pictures are decoded by Pillow (a JPEG bit by bit as
by libjpeg-turbo), 16-bit ones by libvips, see `deep`.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from photorestore.errors import NotAnImage
from photorestore.imaging import colour, metadata
from photorestore.imaging.blocks import exif_in, orientation_of, xmp_in
from photorestore.imaging.deep import open_deep
from photorestore.imaging.header import Header, Picture, decoding
from photorestore.imaging.heads import BoundedReader, check_head, reader
from photorestore.imaging.planes import copy_bands, turned
from photorestore.imaging.sniff import (
    LIMITS,
    Limits,
    check_bytes,
    check_header,
    check_size,
    sniff,
)
from photorestore.workspace import Array

_GREY_MODES = ("1", "L", "LA", "La")
_MODES = (*_GREY_MODES, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB")
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")
_XMP_TAG = 700


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
    deep = open_deep(upload, kind, limits)
    if deep is not None:
        return deep
    with decoding(upload, kind):
        file = reader(upload, kind)
        image = Image.open(file, formats=(kind.upper(),))
        check_size(*image.size, limits)
        picture = PillowPicture(upload, kind, image)
        if isinstance(file, BoundedReader):
            file.renew()
        return picture


class PillowPicture:
    """An 8-bit picture whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, kind: str, image: Image.Image) -> None:
        if image.mode not in _MODES:
            raise NotAnImage(f"{kind.upper()} of mode {image.mode}; expected integers of 8 or 16 bits")
        self._upload = upload
        self._image = image
        # Pillow turns a TIFF upright by itself while it decodes it, if it is told so by its tag.
        self._is_turned_by_pillow = kind == "tiff" and metadata.orientation_told(upload) is not None
        self.header = _read_header(upload, kind, image)

    def decode(self, image: Array, alpha: Array | None) -> None:
        with decoding(self._upload, self.header.format):
            self._image.load()
            colours, opacity = apart(self._image)
        colours = self._in_srgb(colours)
        orientation = 1 if self._is_turned_by_pillow else self.header.orientation
        copy_bands(colours, turned(image, orientation))
        if alpha is not None and opacity is not None:
            copy_bands(opacity, turned(alpha, orientation))
        elif alpha is not None:
            alpha[:] = 255

    def _in_srgb(self, colours: Image.Image) -> Image.Image:
        """Of mode `L`, `RGB` or `RGBA` (whose alpha counts no more)."""
        icc = self.header.icc
        if icc is not None and not colour.is_srgb(icc):
            plain = colours.convert("RGB") if colours.mode == "RGBA" else colours
            converted = colour.to_srgb(plain, icc)
            if converted is not None:
                return converted
            self.header.dropped.append("icc: the profile cannot be applied")
            self.header.icc = None
        if colours.mode == "LAB":
            return colour.lab_to_srgb(colours) or colours.convert("RGB")
        return colours if colours.mode in ("L", "RGB", "RGBA") else colours.convert("RGB")


def apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours of mode `L`, `RGB`, `RGBA`, `CMYK` or `LAB`, and the alpha band if there is one."""
    is_grey = image.mode in _GREY_MODES
    if image.has_transparency_data:
        mixed = image if image.mode in ("LA", "RGBA") else image.convert("LA" if is_grey else "RGBA")
        return (mixed.getchannel("L") if is_grey else mixed), mixed.getchannel("A")
    if is_grey:
        return image.convert("L"), None
    return (image if image.mode in ("RGB", "CMYK", "LAB") else image.convert("RGB")), None


def _read_header(upload: bytes, kind: str, image: Image.Image) -> Header:
    width, height = image.size
    dropped = list[str]()
    given = image.info.get("exif")
    exif = exif_in(upload, kind, given, dropped)
    xmp = xmp_in(upload, kind, _take_xmp(kind, image), dropped)
    orientation = orientation_of(upload, kind, given if kind == "avif" else exif, xmp)
    if (
        kind == "tiff" and (metadata.orientation_told(upload) or 1) >= 5
    ):  # Pillow gives the size after the turn
        width, height = height, width
    header = Header(
        format=kind,
        mode=image.mode,
        bits=8,
        width=width,
        height=height,
        orientation=orientation,
        has_alpha=image.has_transparency_data,
        is_grey=image.mode in _GREY_MODES,
        exif=exif,
        xmp=xmp,
        quantisation=_first_table(image),
        dropped=dropped,
    )
    header.keep_profile(image.info.get("icc_profile"), _profile_mode(image))
    if _has_more_frames(kind, image):
        header.dropped.append("further frames")
    if kind == "avif" and (bits := _avif_bits(upload)) > 8:
        header.dropped.append(f"{bits} bits: decoded to 8")
    return header


def _take_xmp(kind: str, image: Image.Image) -> bytes | None:
    """The XMP packet, taken from Pillow's picture, so that Pillow does not turn a TIFF by it."""
    found: Any = [image.info.pop(key, None) for key in _XMP_KEYS]
    found = getattr(image, "tag_v2", {}).get(_XMP_TAG) if kind == "tiff" else found[0] or found[1]
    return found.encode() if isinstance(found, str) else found if isinstance(found, bytes) else None


def _first_table(image: Image.Image) -> list[int] | None:
    tables: dict[int, list[int]] = getattr(image, "quantization", {})
    return tables.get(0)


def _profile_mode(image: Image.Image) -> str:
    """The mode in which `apart` hands out the colours, for a profile to fit."""
    if image.mode in _GREY_MODES:
        return "L"
    return "CMYK" if image.mode == "CMYK" else "RGB"


def _has_more_frames(kind: str, image: Image.Image) -> bool:
    if kind in ("jpeg", "bmp"):  # a JPEG's further pictures are previews
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - a broken second frame does not spoil the first
        return False


def _avif_bits(upload: bytes) -> int:
    """8, 10 or 12, from the AV1 configuration record."""
    start = upload.find(b"av1C", 0, 4096)
    if start < 0 or start + 7 > len(upload):
        return 8
    flags = upload[start + 6]
    return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
