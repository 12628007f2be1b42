"""Read a point spread function from a picture, and draw one."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from photorestore import blur_words
from photorestore.errors import RestorationError, UnsupportedOption
from photorestore.imaging.acquire import open_picture
from photorestore.imaging.decoders.header import Picture
from photorestore.imaging.planes import luma

Psf = npt.NDArray[np.float32]


def open_psf(text: str) -> Picture:
    """Read the header of the picture in a data URL.

    Raises:
        UnsupportedOption: it is no picture, or too large for a PSF.
    """
    try:
        picture = open_picture(blur_words.picture_in(text) or b"")
    except RestorationError as error:
        raise UnsupportedOption(f"psf is no picture: {error}") from error
    height, width = picture.header.upright_hw
    largest = blur_words.LARGEST_PSF_PX
    if max(height, width) > largest:
        raise UnsupportedOption(
            f"psf is a picture of {width}x{height} px; expected at most {largest}x{largest}"
        )
    return picture


def read_psf(text: str) -> Psf:
    """Return the PSF (K, K), K odd, its sum 1, from the luma of the picture in a data URL.

    Its middle is the point that light came from; sides that are even or differ are filled up with darkness, after the
    picture where one more row or column is needed.

    Raises:
        UnsupportedOption: as `open_psf`; or the picture breaks off, or is black.
    """
    picture = open_psf(text)
    height, width = picture.header.upright_hw
    colours = np.empty((3, height, width), f"uint{picture.header.bits}")
    alpha = np.empty((1, height, width), colours.dtype) if picture.header.has_alpha else None
    try:
        picture.decode(colours, alpha)
    except RestorationError as error:
        raise UnsupportedOption(f"psf is no picture: {error}") from error
    light = luma(colours)[0].astype(np.float32)
    if alpha is not None:
        light *= alpha[0] / np.iinfo(colours.dtype).max
    if not light.any():
        raise UnsupportedOption("psf is a black picture; expected light where the blur is")
    side = max(height, width) | 1
    psf = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    psf[top : top + height, left : left + width] = light
    return psf / psf.sum(dtype=np.float64).astype(np.float32)


def drawn(psf: Psf) -> str:
    """Return a PSF as a grey PNG of 16 bits in a data URL, its greatest value white; `read_psf` reads it."""
    values = np.round(psf / psf.max() * 65535).astype(np.uint16)
    target = io.BytesIO()
    Image.fromarray(values).save(target, "PNG", optimize=True)
    return blur_words.as_data_url(target.getvalue(), "image/png")
