"""Turn a TIFF's stored samples into colours of 8 or 16 bits and alpha, by what the layout says they mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from photorestore.imaging.tiff import layout as kinds
from photorestore.imaging.tiff.layout import Layout
from photorestore.imaging.tiff.segments import Samples, stored_rows
from photorestore.pixels.bands import strips
from photorestore.pixels.luma import LUMA
from photorestore.workspace import Array

Values = npt.NDArray[Any]

# Bruce Lindbloom, "RGB/XYZ Matrices": from XYZ under D50 to linear sRGB, adapted by Bradford.
_XYZ_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ],
    np.float32,
)
_D50 = np.array([0.9642, 1.0, 0.8249], np.float32)


def colour_rows(upload: bytes, layout: Layout) -> Iterator[tuple[slice, Array, Array | None]]:
    """Yield rows from the top: which, their colours (rows, W, 1 | 3 | 4) and their alpha (rows, W) of 8 or 16 bits.

    Raises:
        TruncatedImage, CorruptImage: as `segments.stored_rows`.
    """
    reading, top = _Meaning(layout), 0
    for band in stored_rows(upload, layout):
        for rows in strips(*band.shape[:2]):
            part = band[rows]
            yield slice(top + rows.start, top + rows.stop), *reading.colours(part)
        top += len(band)


class _Meaning:
    """What samples mean."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._most = 255 if layout.bits == 8 else 65535
        self._type = np.uint8 if layout.bits == 8 else np.uint16
        self._levels = _levels(layout.stored_bits, self._most) if layout.stored_bits < 16 else None
        self._palette = _palette(layout) if layout.photometric == kinds.PALETTE else None

    def colours(self, stored: Samples) -> tuple[Values, Values | None]:
        """Return colours and alpha of some rows."""
        layout = self._layout
        count = kinds.COLOURS[layout.photometric]
        alpha = None if layout.alpha is None else self._scaled(stored[..., layout.alpha])
        if layout.is_associated:
            return self._dissociated(stored[..., :count], stored[..., layout.alpha]), alpha
        return self._colours(stored[..., :count]), alpha

    def _colours(self, stored: Samples) -> Values:
        match self._layout.photometric:
            case kinds.PALETTE:
                assert self._palette is not None
                return self._palette[stored[..., 0]]
            case kinds.MIN_IS_WHITE:
                return self._most - self._scaled(stored)
            case kinds.YCBCR:
                return self._from_ycbcr(stored)
            case kinds.CIELAB | kinds.ICCLAB:
                return self._from_lab(stored)
            case _:
                return self._scaled(stored)

    def _scaled(self, stored: Samples) -> Values:
        if self._layout.stored_bits in (8, 16):
            return stored
        if self._levels is not None:
            return self._levels[stored]
        highest = (1 << self._layout.stored_bits) - 1
        return ((stored.astype(np.uint64) * self._most + highest // 2) // highest).astype(self._type)

    def _rounded(self, values: Values) -> Values:
        """From [0, 1] and beyond."""
        return (values.clip(0, 1) * self._most + 0.5).astype(self._type)

    def _dissociated(self, stored: Samples, alpha: Samples) -> Values:
        """Divide grey, RGB or CMYK by the alpha that it was multiplied by, before rounding."""
        wide, opacity = stored.astype(np.uint64), alpha[..., np.newaxis].astype(np.uint64)
        if self._layout.photometric == kinds.MIN_IS_WHITE:
            wide = ((1 << self._layout.stored_bits) - 1) - wide
        wide = (wide * self._most + opacity // 2) // np.maximum(opacity, 1)
        return np.where(opacity > 0, np.minimum(wide, self._most), 0).astype(self._type)

    def _from_ycbcr(self, stored: Samples) -> Values:
        """TIFF 6.0, section 21."""
        page, bits = self._layout.page, self._layout.stored_bits
        most, middle = (1 << bits) - 1, 1 << (bits - 1)
        defaults = (0, most, middle, most, middle, most)
        black_white = np.array(page.numbers(532, 6) or defaults, np.float32).reshape(3, 2)
        spans = np.array([most, middle - 1, middle - 1], np.float32)
        black, white = black_white.T
        y, cb, cr = np.moveaxis(
            (stored - black) * (spans / np.where(white == black, 1, white - black)), -1, 0
        )
        red, green, blue = page.numbers(529, 3) or LUMA
        r, b = y + (2 - 2 * red) * cr, y + (2 - 2 * blue) * cb
        g = (y - red * r - blue * b) / (green or 1)
        return self._rounded(np.stack([r, g, b], axis=-1) / np.float32(most))

    def _from_lab(self, stored: Samples) -> Values:
        """CIELab as TIFF 6.0, section 23; ICCLab as in the ICC profile specification, version 2; both under D50."""
        layout = self._layout
        unit = 1 if layout.bits == 8 else 256
        if layout.photometric == kinds.CIELAB:
            lightness = stored[..., 0] * np.float32(100 / self._most)
            signed = stored[..., 1:].astype(np.int8 if layout.bits == 8 else np.int16)
            a, b = np.moveaxis(np.divide(signed, unit, dtype=np.float32), -1, 0)
        else:
            lightness = stored[..., 0] * np.float32(100 / (255 * unit))
            a, b = np.moveaxis(stored[..., 1:] / np.float32(unit) - np.float32(128), -1, 0)
        return self._rounded(_srgb(lightness, a, b))


def _srgb(lightness: Values, a: Values, b: Values) -> Values:
    """Convert to sRGB from L* (0 to 100), a* and b*."""
    fy = (lightness + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (f - np.float32(4 / 29)) * np.float32(108 / 841)) * _D50
    linear = (xyz @ _XYZ_TO_SRGB.T).clip(0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)


def _levels(bits: int, most: int) -> Values:
    """Return what each stored value becomes."""
    highest = (1 << bits) - 1
    values = (np.arange(highest + 1, dtype=np.uint64) * most + highest // 2) // highest
    return values.astype(np.uint8 if most == 255 else np.uint16)


def _palette(layout: Layout) -> Values:
    """(entries, 3) of 8 bits, from entries of 16.

    Some writers take 8 bits times 256 and some times 257, so the upper byte is right; some write 8 bits as they are.
    """
    entries = np.zeros((3, 1 << layout.stored_bits), np.uint32)
    found = np.array(layout.page.integers(320, 3 * 256), np.uint32)
    found = found[: found.size // 3 * 3].reshape(3, -1)
    entries[:, : found.shape[1]] = found[:, : entries.shape[1]]
    return (entries >> 8 if entries.max() > 255 else entries).T.astype(np.uint8)
