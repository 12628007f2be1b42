"""Hold what is known of an upload before its pixels are decoded, and translate decoders' errors."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from photorestore.errors import CorruptImage, ImageTooLarge, RestorationError, TruncatedImage
from photorestore.imaging.colour import conversion
from photorestore.imaging.colour.told import find_told
from photorestore.imaging.files.ends import breaks_off
from photorestore.source import Source
from photorestore.workspace import Array

# Pillow's warnings about an upload are of no use here, and `sniff.check_size` checks its size. Set once,
# because filters belong to the process: if set for each upload, threads would have to wait for one another.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(slots=True)
class Header:
    """An upload's properties.

    Attributes:
        format: one of `sniff.ACCEPTED`.
        mode: the decoder's name for the kind of pixels.
        bits: 8 or 16 per channel.
        width, height: as stored.
        orientation: EXIF orientation, 1 to 8.
        has_alpha: whether there is a plane `alpha` to write.
        is_grey: whether the upload has one channel of colour.
        icc: the profile to convert from, or None; one that does not fit the pixels is left out.
        exif, xmp: the blocks as they stand in the upload, or None.
        quantisation: a JPEG's first table, in zigzag order.
        unconverted: a colour space that the upload has and that cannot be converted to sRGB, or None; it is in
            `dropped`, too.
        dropped: what cannot be kept; `decode` may add to it.
    """

    format: str
    mode: str
    bits: int
    width: int
    height: int
    orientation: int = 1
    has_alpha: bool = False
    is_grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    quantisation: Sequence[int] | None = None
    unconverted: str | None = None
    dropped: list[str] = field(default_factory=list)

    @property
    def upright_hw(self) -> tuple[int, int]:
        """Return height and width of the upright picture."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)

    def keep_profile(self, icc: bytes | None, mode: str) -> None:
        """Set `icc` if the profile describes pixels of `mode` (`RGB`, `L` or `CMYK`); report it otherwise.

        An empty profile means one that cannot be read.
        """
        if icc is None:
            return
        if conversion.mode_of(icc) == mode:
            self.icc = icc
        else:
            self.dropped.append("icc: the profile does not fit the picture")

    def take_told(
        self, upload: bytes, mode: str, directory: int | None = None, nclx: tuple[int, int] | None = None
    ) -> None:
        """Set `icc` by chunks, boxes or tags that tell the colour space of pixels of `mode`, if there is no profile.

        Args:
            directory: where the picture's directory stands in a TIFF; None for the first.
            nclx: what the boxes of a HEIF or AVIF tell, or None.
        """
        if self.icc is not None or self.mode.startswith(("CMYK", "LAB")):
            return
        told = find_told(upload, self.format, self.exif, mode, directory, nclx)
        if told is not None:
            self.icc, self.unconverted = told.icc, told.problem
            self.dropped += [told.problem] if told.problem else []

    def as_source(self) -> Source:
        """Return what the stages and the report are told of the upload, once it is decoded."""
        height, width = self.upright_hw
        return Source(
            format=self.format,
            mode=self.mode,
            bits=self.bits,
            width=width,
            height=height,
            orientation=self.orientation,
            has_alpha=self.has_alpha,
            is_grey=self.is_grey,
            icc=conversion.describe(self.icc),
            dropped=tuple(self.dropped),
        )


class Picture(Protocol):
    """An upload whose header was read."""

    header: Header

    def decode(self, image: Array, alpha: Array | None) -> None:
        """Write the pixels, upright and in sRGB, into planes (3, H, W) and (1, H, W) of the header's depth.

        Raises:
            TruncatedImage, CorruptImage: they cannot be decoded.
        """
        ...


@contextlib.contextmanager
def decoding(upload: bytes, kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises, in the block, into an error of ours.

    Raises:
        TruncatedImage, CorruptImage, ImageTooLarge: according to what the decoder says and the file claims.
    """
    try:
        yield
    except RestorationError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge("image claims more pixels than are accepted") from error
    except Exception as error:
        if "truncated" in str(error).lower() or breaks_off(upload, kind):
            raise TruncatedImage(f"the {kind.upper()} breaks off before its end") from error
        raise CorruptImage(f"the {kind.upper()} cannot be decoded: it contradicts itself") from error
