"""Read 8-bit pictures by Pillow: their header, then their pixels in sRGB."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from photorestore.errors import NotAnImage
from photorestore.imaging.colour import conversion
from photorestore.imaging.colour.told import profile_of_bmp
from photorestore.imaging.decoders.header import Header, Picture, decoding
from photorestore.imaging.decoders.sixteen_bits import cmyk_profile
from photorestore.imaging.decoders.tiff import TiffPicture
from photorestore.imaging.files.jpeg import completed
from photorestore.imaging.files.png import mend_transparent_grey
from photorestore.imaging.files.sniff import Limits, check_size
from photorestore.imaging.heads import BoundedReader, reader
from photorestore.imaging.metadata.blocks import exif_in, orientation_of, xmp_in
from photorestore.imaging.planes import as_stored, copy_bands
from photorestore.workspace import Array

_GREY_MODES = ("1", "L", "LA", "La")
_MODES = (*_GREY_MODES, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_UNREAD_BMP = "Unsupported BMP "
"""How Pillow's message about a BMP begins that is valid, but of a kind that it does not read."""
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")


def open_by_pillow(upload: bytes, kind: str, limits: Limits) -> Picture:
    """Read the header of a picture of up to 8 bits.

    Raises:
        NotAnImage: of a kind that Pillow does not read.
        ImageTooLarge: too many pixels, or a side too long.
        TruncatedImage, CorruptImage: it breaks off, or contradicts itself.
    """
    with decoding(upload, kind):
        file = reader(upload, kind)
        image = _opened(file, kind)
        check_size(*image.size, limits)
        if kind == "png":
            mend_transparent_grey(upload, image)
        picture = PillowPicture(upload, kind, image)
        if isinstance(file, BoundedReader):
            file.renew()
        return picture


def _opened(file: io.BytesIO, kind: str) -> Image.Image:
    try:
        return Image.open(file, formats=(kind.upper(),))
    except OSError as error:
        if str(error).startswith(_UNREAD_BMP):
            raise NotAnImage(f"BMP of a kind that is not read: {str(error)[len(_UNREAD_BMP) :]}") from error
        raise


class PillowPicture:
    """An 8-bit picture whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, kind: str, image: Image.Image) -> None:
        if image.mode not in _MODES:
            raise NotAnImage(f"{kind.upper()} of mode {image.mode}; expected integers of 8 or 16 bits")
        self._upload = upload
        self._image = image
        self._frame = _partial_frame(image) if kind == "gif" else None
        self.header = _read_header(upload, kind, image)
        self.header.has_alpha |= self._frame is not None

    def decode(self, image: Array, alpha: Array | None) -> None:
        with decoding(self._upload, self.header.format):
            self._load()
            colours, opacity = apart(self._image)
        if self._frame is not None:
            opacity = Image.new("L", self._image.size)
            opacity.paste(255, self._frame)
        colours = in_srgb(colours, self.header)
        copy_bands(colours, as_stored(image, self.header.orientation))
        if alpha is not None and opacity is not None:
            copy_bands(opacity, as_stored(alpha, self.header.orientation))
        elif alpha is not None:
            alpha[:] = 255

    def _load(self) -> None:
        try:
            self._image.load()
        except OSError:
            if self.header.format != "jpeg":
                raise
            self._image = completed(self._upload)


class EightBitTiff(TiffPicture):
    """A TIFF of up to 8 bits per channel, whose colours are converted by Pillow."""

    def _convert(self, colours: Array, target: Array) -> None:
        height, width, count = colours.shape
        mode = {1: "L", 3: "RGB", 4: "CMYK"}[count]
        image = Image.frombuffer(mode, (width, height), colours, "raw", mode, 0, 1)
        copy_bands(in_srgb(image, self.header), target)


def in_srgb(colours: Image.Image, header: Header) -> Image.Image:
    """Return the picture in sRGB, of mode `L`, `RGB` or `RGBA` (whose alpha is to be ignored)."""
    icc = header.icc
    if icc is not None and not conversion.is_srgb(icc):
        plain = colours.convert("RGB") if colours.mode == "RGBA" else colours
        converted = conversion.to_srgb(plain, icc)
        if converted is not None:
            return converted
        header.dropped.append("icc: the profile cannot be applied")
        header.icc = None
    if colours.mode == "CMYK":
        return conversion.to_srgb(colours, cmyk_profile()) or colours.convert("RGB")
    return colours if colours.mode in ("L", "RGB", "RGBA") else colours.convert("RGB")


def _partial_frame(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return where the first frame of a GIF without transparency lies, if it leaves some of the canvas free.

    Browsers show the page behind the free part; Pillow fills it with the first colour of the palette.
    """
    box = getattr(image, "dispose_extent", None)
    return None if image.has_transparency_data or box in (None, (0, 0, *image.size)) else box


def apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours, of mode `L`, `RGB`, `RGBA` or `CMYK`, and the alpha band if there is one."""
    is_grey = image.mode in _GREY_MODES
    if image.has_transparency_data:
        mixed = image if image.mode in ("LA", "RGBA") else image.convert("LA" if is_grey else "RGBA")
        return (mixed.getchannel("L") if is_grey else mixed), mixed.getchannel("A")
    if is_grey:
        return image.convert("L"), None
    return (image if image.mode in ("RGB", "CMYK") else image.convert("RGB")), None


def _read_header(upload: bytes, kind: str, image: Image.Image) -> Header:
    width, height = image.size
    dropped = list[str]()
    exif = exif_in(upload, kind, image.info.get("exif"))
    xmp = xmp_in(upload, kind, _xmp(image), dropped)
    header = Header(
        format=kind,
        mode=image.mode,
        bits=8,
        width=width,
        height=height,
        orientation=orientation_of(exif, xmp),
        has_alpha=image.has_transparency_data,
        is_grey=image.mode in _GREY_MODES,
        exif=exif,
        xmp=xmp,
        quantisation=getattr(image, "quantization", {}).get(0),
        dropped=dropped,
    )
    # The mode in which `apart` hands out the colours, and so that of a profile that fits.
    mode = "L" if header.is_grey else "CMYK" if image.mode == "CMYK" else "RGB"
    header.keep_profile(_profile(upload, kind, image), mode)
    header.take_told(upload, mode)
    if _has_more_frames(kind, image):
        header.dropped.append("further frames")
    return header


def _xmp(image: Image.Image) -> bytes | None:
    found: Any = next((image.info[key] for key in _XMP_KEYS if key in image.info), None)
    return found.encode() if isinstance(found, str) else found if isinstance(found, bytes) else None


def _profile(upload: bytes, kind: str, image: Image.Image) -> bytes | None:
    """Return the file's profile, empty if Pillow cannot read it; None if there is none."""
    if kind == "bmp":
        return profile_of_bmp(upload)
    return (image.info["icc_profile"] or b"") if "icc_profile" in image.info else None


def _has_more_frames(kind: str, image: Image.Image) -> bool:
    if kind in ("jpeg", "bmp"):  # a JPEG's further pictures are previews
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - a broken second frame does not spoil the first
        return False
