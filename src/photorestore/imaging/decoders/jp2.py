"""Decode JPEG 2000 pictures by OpenJPEG in their full depth (docs/adr/0018).

The decoder gets the codestream alone; palettes, the order of channels and colour spaces are handled here.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.colour import conversion
from photorestore.imaging.decoders.header import Header, decoding
from photorestore.imaging.decoders.pixels import depth_of, to_full_range, without_premultiplying, write_pixels
from photorestore.imaging.files.sniff import Limits, check_size
from photorestore.imaging.iso.jp2_header import COUNTS, Jp2, read_boxes, read_siz
from photorestore.imaging.metadata.blocks import orientation_of
from photorestore.workspace import Array

_OPACITY, _PREMULTIPLIED = 1, 2
_BY_COUNT = {1: "L", 2: "L", 3: "RGB", 4: "RGB", 5: "RGB"}
"""The space of a codestream that does not tell it, by its number of channels."""


@functools.cache
def _library() -> Any:
    import openjpeg  # noqa: PLC0415 - most requests never need it

    return openjpeg


def open_jp2(upload: bytes, kind: str, limits: Limits) -> Jp2Picture:
    """Open a JP2 file, or a bare JPEG 2000 codestream.

    Raises:
        NotAnImage: samples or colours of a kind that is not read.
        TruncatedImage, CorruptImage, ImageTooLarge: as in `acquire.open_picture`.
    """
    told = read_boxes(upload)
    size = read_siz(upload, told.codestream)
    check_size(size.width, size.height, limits)
    return Jp2Picture(upload, told, Header(kind, "", 8, size.width, size.height), size.bits)


class Jp2Picture:
    """A JPEG 2000 picture whose header was read; see `header.Picture`."""

    def __init__(self, upload: bytes, told: Jp2, header: Header, component_bits: Sequence[int]) -> None:
        self._upload, self._told, self._component_bits = upload, told, component_bits
        self.header = header
        self._bits = self._channel_bits()
        self._space = self._find_space()
        self._colours, self._opacity = self._find_channels()
        header.bits = max(depth_of(self._bits[channel]) for channel in self._colours)
        header.has_alpha = self._opacity is not None
        header.is_grey = self._space == "L"
        letter = "A" if header.has_alpha and self._space != "CMYK" else ""
        header.mode = self._space + letter + (";16" if header.bits == 16 else "")
        header.exif, header.xmp = told.blocks.get("exif"), told.blocks.get("xmp")
        header.orientation = orientation_of(header.exif, header.xmp)
        profile_mode = "RGB" if self._space == "YCbCr" else self._space
        header.keep_profile(told.icc, profile_mode)
        if told.mode is None:  # else the container tells sRGB, grey by its curve, or CMYK
            header.take_told(upload, profile_mode)
        header.dropped += told.dropped
        left = len(self._bits) - len(self._colours) - header.has_alpha
        if left:
            header.dropped.append(f"{left} further channel{'s' * (left > 1)}: not said to be opacity")

    def _channel_bits(self) -> list[int]:
        """Of each channel, after the palette."""
        palette, bits = self._told.palette, self._component_bits
        if len({depth_of(depth) for depth in bits}) > 1:
            raise NotAnImage("JPEG 2000 with channels of up to 8 bits beside others of more")
        if not palette:
            self._told.mapping = [(index, None) for index in range(len(bits))]
        elif not self._told.mapping:
            self._told.mapping = [(0, column) for column in range(len(palette))]
        found = []
        for component, column in self._told.mapping:
            if component >= len(bits) or (column is not None and column >= len(palette)):
                raise CorruptImage("the JP2 takes a channel from where there is none")
            found.append(bits[component] if column is None else palette[column][0])
        return found

    def _find_space(self) -> str:
        """`L`, `RGB`, `YCbCr` or `CMYK`."""
        space = self._told.mode or conversion.mode_of(self._told.icc) or _BY_COUNT[min(len(self._bits), 5)]
        if len(self._bits) < COUNTS[space]:
            raise CorruptImage(f"the JPEG 2000 has {len(self._bits)} channels; {space} needs {COUNTS[space]}")
        return space

    def _find_channels(self) -> tuple[list[int], int | None]:
        """The channels that are colours, in order, and the one that is opacity."""
        count, told = COUNTS[self._space], self._told.definitions
        colours = list(range(count))
        for channel, (kind, index) in told.items():
            if kind == 0 and 1 <= index <= count and channel < len(self._bits):
                colours[index - 1] = channel
        opacity = [
            channel
            for channel, (kind, _) in told.items()
            if kind in (_OPACITY, _PREMULTIPLIED) and channel < len(self._bits) and channel not in colours
        ]
        return colours, opacity[0] if opacity else None

    def decode(self, image: Array, alpha: Array | None) -> None:
        header, told = self.header, self._told
        with decoding(self._upload, header.format):
            content = self._upload[told.codestream :]
            components = _library().decode(content, 0).reshape(header.height, header.width, -1)
            colours: Any = np.stack(
                [self._channel(components, channel) for channel in self._colours], axis=-1
            )
            if self._space == "YCbCr":
                colours = _from_ycc(colours)
            opacity = None
            if self._opacity is not None:
                opacity = self._channel(components, self._opacity)
                if told.definitions[self._opacity][0] == _PREMULTIPLIED:
                    colours = without_premultiplying(colours, opacity)
            write_pixels(colours, opacity, header, image, alpha)

    def _channel(self, components: Array, channel: int) -> Array:
        """(H, W), in the header's depth."""
        component, column = self._told.mapping[channel]
        values = components[..., component]
        if column is not None:
            entries = np.array(self._told.palette[column][1], np.uint16)
            values = entries[np.minimum(values, len(entries) - 1)]
        full = to_full_range(values, self._bits[channel])
        if full.itemsize * 8 == self.header.bits:
            return full
        return (
            full.astype(np.uint16) * np.uint16(257)
            if self.header.bits == 16
            else (full >> 8).astype(np.uint8)
        )


def _from_ycc(colours: Array) -> Array:
    """Colours in sRGB from full-range luma and chroma (H, W, 3), as sYCC has them (IEC 61966-2-1, amendment 1)."""
    full = int(np.iinfo(colours.dtype).max)
    plain = np.empty_like(colours)
    for row, values in enumerate(colours):
        luma, blue, red = values.astype(np.float32).T
        blue, red = blue - (full + 1) / 2, red - (full + 1) / 2
        mixed = np.stack(
            [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], -1
        )
        plain[row] = mixed.round().clip(0, full)
    return plain
