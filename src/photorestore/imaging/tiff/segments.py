"""Decode the strips and tiles of a TIFF to the stored samples, some rows at a time.

What is not packed by zlib is unpacked by libtiff, through Pillow: the strips are wrapped as a plain TIFF of their own,
of grey bytes (or of what the JPEG in it holds), so that neither sees a layout that it would read differently.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from photorestore.errors import CorruptImage, TruncatedImage
from photorestore.imaging.tiff import coding
from photorestore.imaging.tiff import layout as kinds
from photorestore.imaging.tiff.layout import Layout
from photorestore.imaging.tiff.unpack import replicated, unpacked

BAND_BYTES = 2 << 20
"""Bytes decoded at a time, so that what lies between stays in the processor's cache; one strip at least."""

MOST_SEGMENTS = 1 << 19
"""More than a picture of 50 megapixels has in tiles of 16x16, each channel by itself."""

Samples = npt.NDArray[np.unsignedinteger]
Bytes = npt.NDArray[np.uint8]
_Tags = dict[int, int | tuple[int, ...] | bytes]

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_TABLES, _FAX_3, _FAX_4 = 347, 292, 293


def stored_rows(upload: bytes, layout: Layout) -> Iterator[Samples]:
    """Yield the samples as stored, from the top: arrays (rows, W, samples) of 8, 16 or 32 bits.

    Raises:
        TruncatedImage, CorruptImage: a strip or tile is missing, too short, or cannot be decoded.
    """
    reader = _Reader(upload, layout)
    for first in range(0, reader.down, reader.rows_at_a_time):
        last = min(first + reader.rows_at_a_time, reader.down)
        yield reader.read(first, last)


class _Reader:
    def __init__(self, upload: bytes, layout: Layout) -> None:
        self._upload, self._layout = upload, layout
        page = layout.page
        self._height, self._width = layout.segment_hw
        self.down = math.ceil(layout.height / self._height)
        self._across = math.ceil(layout.width / self._width)
        self._samples = 1 if layout.is_planar else layout.samples
        self._row_bytes = math.ceil(self._width * self._samples * layout.stored_bits / 8)
        down, across = layout.subsampling
        if layout.subsampling != (1, 1):
            self._row_bytes = math.ceil(self._width / across) * (down * across + 2)  # of `down` rows
        row = self._across * self._row_bytes * self._height * (layout.samples if layout.is_planar else 1)
        self.rows_at_a_time = max(1, BAND_BYTES // row)
        count = self.down * self._across * (layout.samples if layout.is_planar else 1)
        if count > MOST_SEGMENTS:
            raise CorruptImage(f"TIFF has {count} strips or tiles; expected at most {MOST_SEGMENTS}")
        self._starts = page.integers(324 if layout.is_tiled else 273, count)
        self._lengths = page.integers(325 if layout.is_tiled else 279, count)
        if layout.coding in coding.OLD_JPEG:  # the given strip may begin behind the tables of the stream
            self._starts, self._lengths = page.integers(513, 1), page.integers(514, 1)

    def read(self, first: int, last: int) -> Samples:
        """Read the rows of strips or tiles `first` to `last`."""
        layout = self._layout
        count = layout.samples if layout.is_planar else 1
        planes = [self._plane(plane, first, last) for plane in range(count)]
        return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=-1)

    def _plane(self, plane: int, first: int, last: int) -> Samples:
        layout, across = self._layout, self._across
        rows = min(last * self._height, layout.height) - first * self._height
        numbers = range((plane * self.down + first) * across, (plane * self.down + last) * across)
        stored = len(numbers) * self._height if layout.is_tiled else rows
        samples = self._decoded(numbers, stored)
        if layout.is_differenced:
            samples = _summed(samples)
        if across > 1 or layout.is_tiled:
            channels = np.moveaxis(samples, -1, 0)  # each by itself, as that is faster
            tiles = channels.reshape(-1, last - first, across, self._height, self._width).swapaxes(2, 3)
            joined = tiles.reshape(-1, (last - first) * self._height, across * self._width)
            samples = np.moveaxis(joined, 0, -1)
        return samples[:rows, : layout.width]

    def _decoded(self, numbers: range, rows: int) -> Samples:
        """Strips or tiles one below the other, (rows, width, samples)."""
        layout = self._layout
        parts = [self._part(number) for number in numbers]
        if layout.coding in coding.WEBP:
            return self._checked(np.concatenate([_picture(part, "WEBP") for part in parts]), rows)
        if layout.coding in coding.OLD_JPEG:
            return self._checked(_picture(parts[0], "JPEG"), rows)
        if layout.coding in (*coding.JPEG, *coding.CCITT):
            return self._checked(_by_libtiff(parts, self._picture_tags(rows)), rows)
        raw = self._bytes(numbers, parts, math.ceil(rows / layout.subsampling[0]))
        if layout.subsampling != (1, 1):
            return replicated(raw, layout.subsampling)[:rows, : self._width]
        samples = unpacked(raw, self._width * self._samples, layout.stored_bits, layout.page.order)
        return samples.reshape(rows, self._width, self._samples)

    def _checked(self, samples: Samples, rows: int) -> Samples:
        if samples.shape != (rows, self._width, self._samples):
            expected = rows, self._width, self._samples
            raise CorruptImage(f"TIFF holds pictures {samples.shape}; expected {expected}")
        return samples

    def _part(self, number: int) -> bytes:
        """A strip or tile as it stands in the file."""
        if number >= len(self._starts):
            raise TruncatedImage(f"TIFF has {len(self._starts)} strips or tiles; expected more than {number}")
        start, layout = self._starts[number], self._layout
        if layout.coding in coding.UNCODED:  # some writers give a wrong length, which is known here
            length = self._length(number)
        elif number < len(self._lengths):
            length = self._lengths[number]
        else:
            length = len(self._upload) - start
        if length < 1 or start + length > len(self._upload):
            raise TruncatedImage("the TIFF breaks off before its end")
        part = self._upload[start : start + length]
        is_reversed = layout.page.first(266, 1) == 2 and layout.coding not in coding.PICTURES
        return part.translate(_REVERSED) if is_reversed else part

    def _length(self, number: int) -> int:
        """Bytes of a strip or tile when it is unpacked."""
        rows = self._height
        if not self._layout.is_tiled:
            rows = min(rows, self._layout.height - number % self.down * self._height)
        return math.ceil(rows / self._layout.subsampling[0]) * self._row_bytes

    def _bytes(self, numbers: range, parts: Sequence[bytes], rows: int) -> Bytes:
        """Return parts one below the other, unpacked to (rows, bytes)."""
        layout = self._layout
        if layout.coding in coding.DEFLATE:
            parts = [
                _inflated(part, self._length(number)) for number, part in zip(numbers, parts, strict=True)
            ]
        if layout.coding in (*coding.UNCODED, *coding.DEFLATE):
            whole = parts[0] if len(parts) == 1 else b"".join(parts)
            return np.frombuffer(whole, np.uint8).reshape(rows, self._row_bytes)
        part_rows = math.ceil(self._height / layout.subsampling[0])
        size: _Tags = {256: self._row_bytes, 257: rows, 278: part_rows}
        return _by_libtiff(parts, {**size, 258: 8, 259: layout.coding, 262: 1, 277: 1})[..., 0]

    def _picture_tags(self, rows: int) -> _Tags:
        """Of strips or tiles that hold JPEGs or faxes."""
        layout, count = self._layout, self._samples
        photometric = {1: kinds.MIN_IS_BLACK, 2: kinds.MIN_IS_BLACK, 3: kinds.RGB, 4: kinds.CMYK}[count]
        page = layout.page
        if count == 3 and page.first(262, kinds.RGB) == kinds.YCBCR:
            photometric = kinds.YCBCR
        tags: _Tags = {
            256: self._width,
            257: rows,
            258: (layout.stored_bits,) * count,
            259: layout.coding,
            262: photometric,
            277: count,
            278: self._height,
        }
        if count == 2:
            tags[338] = 2
        if photometric == kinds.YCBCR:
            tags[530] = (*page.integers(530, 2), 2, 2)[:2]
        for tag in (_FAX_3, _FAX_4):
            if tag in page:
                tags[tag] = page.first(tag, 0)
        if tables := page.blob(_TABLES):
            tags[_TABLES] = tables
        return tags


def _summed(differences: Samples) -> Samples:
    """Samples (H, W, C) from their differences to those on their left, modulo their range."""
    import torch  # noqa: PLC0415 - four times as fast as numpy; the edge, which only reads heads, has none

    native = differences.astype(
        differences.dtype.newbyteorder("=")
    )  # a copy: torch wants one that can be written
    signed = torch.from_numpy(native.view(f"i{native.itemsize}"))
    sums: Samples = torch.cumsum(signed, 1, dtype=signed.dtype).numpy().view(native.dtype)
    return sums


def _inflated(part: bytes, length: int) -> bytes:
    found = zlib.decompressobj().decompress(part, length)
    if len(found) < length:
        raise TruncatedImage("a strip or tile of the TIFF breaks off before its end")
    return found


def _picture(part: bytes, name: str) -> Bytes:
    """(H, W, C) of a whole picture within a TIFF."""
    with Image.open(io.BytesIO(part), formats=(name,)) as image:
        pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _by_libtiff(parts: Sequence[bytes], tags: _Tags) -> Bytes:
    """(H, W, C) of strips that are wrapped as a TIFF of these tags."""
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(_wrapped(parts, tags)))
    pixels = np.asarray(image)
    return pixels.astype(np.uint8, copy=False).reshape(*pixels.shape[:2], -1)


def _wrapped(parts: Sequence[bytes], tags: _Tags) -> bytes:
    """A little-endian TIFF of one page."""
    starts, position = [], 8
    for part in parts:
        starts.append(position)
        position += len(part)
    values = tags | {273: tuple(starts), 279: tuple(map(len, parts))}
    directory, beyond = struct.pack("<H", len(values)), b""
    free = position + 2 + 12 * len(values) + 4
    for tag, value in sorted(values.items()):
        numbers = (value,) if isinstance(value, int) else value
        content = numbers if isinstance(numbers, bytes) else struct.pack(f"<{len(numbers)}I", *numbers)
        directory += struct.pack("<HHI", tag, 7 if isinstance(numbers, bytes) else 4, len(numbers))
        if len(content) > 4:
            directory += struct.pack("<I", free + len(beyond))
            beyond += content
        else:
            directory += content.ljust(4, b"\0")
    return b"".join((b"II*\0", struct.pack("<I", position), *parts, directory, bytes(4), beyond))
