"""From an upload's bytes to planes.

`open_picture` reads no more than the header; a picture's `decode` writes the pixels, upright and in sRGB, straight
from the decoder's buffer into the planes given. 8-bit pictures are decoded by Pillow (a JPEG bit by bit as
by libjpeg-turbo), 16-bit ones by libvips, see `deep`; HEIF and JPEG 2000 have readers of their own.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from photorestore.errors import NotAnImage
from photorestore.imaging import colour, metadata
from photorestore.imaging.deep import open_deep
from photorestore.imaging.header import Header, Picture, decoding
from photorestore.imaging.heads import BoundedReader, check_head, reader
from photorestore.imaging.heif import open_heif
from photorestore.imaging.jp2 import open_jp2
from photorestore.imaging.planes import copy_bands, turned
from photorestore.imaging.sniff import (
    HEIF,
    JPEG_2000,
    LIMITS,
    Limits,
    check_bytes,
    check_header,
    check_size,
    png_chunk,
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
    if kind in HEIF:
        return open_heif(upload, kind, limits)
    if kind in JPEG_2000:
        return open_jp2(upload, kind, limits)
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
        self.header = _read_header(upload, kind, image)

    def decode(self, image: Array, alpha: Array | None) -> None:
        with decoding(self._upload, self.header.format):
            self._image.load()
            colours, opacity = apart(self._image)
        colours = self._in_srgb(colours)
        # Pillow turns a TIFF upright by itself while it decodes it.
        orientation = 1 if self.header.format == "tiff" else self.header.orientation
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
    exif = _exif(upload, kind, image)
    orientation = _orientation(kind, image, exif)
    if kind == "tiff" and orientation >= 5:  # Pillow gives the size after the turn
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
        xmp=_xmp(kind, image),
        quantisation=_first_table(image),
    )
    header.keep_profile(image.info.get("icc_profile"), _profile_mode(image))
    if _has_more_frames(kind, image):
        header.dropped.append("further frames")
    if kind == "avif" and (bits := _avif_bits(upload)) > 8:
        header.dropped.append(f"{bits} bits: decoded to 8")
    return header


def _exif(upload: bytes, kind: str, image: Image.Image) -> bytes | None:
    if kind == "tiff":
        return metadata.exif_of_tiff(image)
    if kind == "png":  # may stand after the pixels, where Pillow finds it only when it has decoded them
        return image.info.get("exif") or png_chunk(upload, b"eXIf")
    return image.info.get("exif")


def _orientation(kind: str, image: Image.Image, exif: bytes | None) -> int:
    if kind == "tiff":
        return metadata.orientation_of(image.getexif())
    return metadata.orientation_of(metadata.load_exif(exif))


def _xmp(kind: str, image: Image.Image) -> bytes | None:
    found: Any = None
    if kind == "tiff":
        found = getattr(image, "tag_v2", {}).get(_XMP_TAG)
    else:
        found = next((image.info[key] for key in _XMP_KEYS if key in image.info), None)
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
