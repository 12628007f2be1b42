"""Read the boxes of a JP2 (ISO/IEC 15444-1, annex I) and the head of its codestream.

All of it is read here, within bounds, before the decoder sees a byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.files.boxes import Box, Boxes
from photorestore.imaging.files.pieces import TOO_MANY

CODESTREAM = b"\xff\x4f\xff\x51"
_UUIDS = {b"JpgTiffExif->JP2": "exif", bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC"): "xmp"}
_COLOURS = {12: "CMYK", 16: "RGB", 17: "L", 18: "YCbCr"}
"""Enumerated colour spaces: CMYK, sRGB, grey with sRGB's curve, sYCC."""
_OTHER_COLOURS = {0: "bilevel", 1: "YCbCr(1)", 3: "YCbCr(2)", 14: "CIELab", 15: "bilevel(2)", 20: "e-sRGB",
                  21: "ROMM RGB", 24: "e-sYCC"}  # fmt: skip
COUNTS = {"L": 1, "RGB": 3, "YCbCr": 3, "CMYK": 4}
LONGEST_LIST = 8 << 10
"""Bytes of a list of channels; the longest useful one has 255 entries."""
MOST_COLOURS = 1024
"""Of a palette, by the standard."""
MOST_SEGMENTS = 4096
"""Of a codestream's main header."""
MOST_CHANNELS = 5
MOST_TILES = 16_384
MOST_PRECINCTS = 1 << 20
"""In the whole picture; the decoder makes room for each."""
MOST_LAYERS = 1024
MOST_LEVELS = 32
_COD, _COC, _SOT, _EOC = 0xFF52, 0xFF53, 0xFF90, 0xFFD9


@dataclass(frozen=True, slots=True)
class Siz:
    """The size of a codestream and what its channels are.

    Attributes:
        bits: of each channel.
    """

    width: int
    height: int
    bits: tuple[int, ...]


@dataclass(slots=True)
class Jp2:
    """What was found.

    Attributes:
        codestream: where it begins.
        mode: `L`, `RGB`, `YCbCr` or `CMYK`; None if the file does not tell it.
        icc: the profile that is given in place of a colour space.
        palette: columns of a palette, each its bits and its entries.
        mapping: for each channel the component that it is taken from, and the palette's column, or None.
        definitions: for each channel that is described its type (0 colour, 1 opacity, 2 premultiplied opacity) and the
            colour that it belongs to, counted from 1, 0 for all.
        blocks: EXIF and XMP.
    """

    codestream: int = 0
    mode: str | None = None
    icc: bytes | None = None
    palette: list[tuple[int, list[int]]] = field(default_factory=list)
    mapping: list[tuple[int, int | None]] = field(default_factory=list)
    definitions: dict[int, tuple[int, int]] = field(default_factory=dict)
    blocks: dict[str, bytes] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def read_boxes(upload: bytes) -> Jp2:
    """Read what surrounds the codestream.

    Raises:
        NotAnImage: its colours are of a kind that is not read.
        CorruptImage: there is no codestream, or too many boxes, or a box is broken.
    """
    found = Jp2()
    if upload.startswith(CODESTREAM):
        return found
    try:
        boxes = Boxes(upload)
        for box in boxes.top():
            if box.name == b"jp2c":
                found.codestream = found.codestream or box.start
            elif box.name == b"jp2h":
                _read_head(upload, boxes.within(box), found)
            elif box.name == b"uuid":
                _read_uuid(upload[box.start : box.end], found)
            elif box.name == b"xml ":
                _name(found, "xml: a box of its own")
    except (struct.error, IndexError) as error:
        raise CorruptImage("a box of the JP2 is broken") from error
    if not found.codestream:
        raise CorruptImage("the JP2 holds no codestream")
    return found


def _read_head(upload: bytes, boxes: Iterator[Box], found: Jp2) -> None:
    for box in boxes:
        name, at, end = box.name, box.start, box.end
        if name == b"colr" and found.mode is None and found.icc is None:
            _read_colour(upload[at:end], found)
        elif name == b"pclr" and not found.palette:
            found.palette = _palette(upload[at:end])
        elif name in (b"cmap", b"cdef") and box.size > LONGEST_LIST:
            raise CorruptImage(TOO_MANY)
        elif name == b"cmap" and not found.mapping:
            entries = struct.iter_unpack(">HBB", upload[at : at + (end - at) // 4 * 4])
            found.mapping = [(component, column if kind else None) for component, kind, column in entries]
        elif name == b"cdef" and not found.definitions:
            entries = struct.iter_unpack(">HHH", upload[at + 2 : at + 2 + (end - at - 2) // 6 * 6])
            found.definitions = {channel: (kind, colour) for channel, kind, colour in entries}


def _read_colour(content: bytes, found: Jp2) -> None:
    if content[0] == 1:
        (space,) = struct.unpack_from(">I", content, 3)
        if space not in _COLOURS:
            raise NotAnImage(f"JPEG 2000 in {_OTHER_COLOURS.get(space, f'colour space {space}')}; expected sRGB, "
                             "sYCC, grey or CMYK")  # fmt: skip
        found.mode = _COLOURS[space]
    elif content[0] in (2, 3):
        found.icc = content[3:]


def _palette(content: bytes) -> list[tuple[int, list[int]]]:
    count, columns = struct.unpack_from(">HB", content)
    if count > MOST_COLOURS:
        raise CorruptImage(f"JPEG 2000 with a palette of {count} colours; expected at most {MOST_COLOURS}")
    bits = [(content[3 + column] & 0x7F) + 1 for column in range(columns)]
    if max(bits, default=99) > 16 or any(content[3 + column] & 0x80 for column in range(columns)):
        raise NotAnImage("JPEG 2000 with a palette of signed entries or of more than 16 bits")
    row = struct.Struct(">" + "".join("B" if depth <= 8 else "H" for depth in bits))
    rows = [row.unpack_from(content, 3 + columns + index * row.size) for index in range(count)]
    return [(depth, list(column)) for depth, column in zip(bits, zip(*rows, strict=True), strict=True)]


def _read_uuid(content: bytes, found: Jp2) -> None:
    name = _UUIDS.get(content[:16])
    if name is None:
        _name(found, "uuid: a box that is not known")
    else:
        found.blocks.setdefault(name, content[16:])


def _name(found: Jp2, what: str) -> None:
    if what not in found.dropped:
        found.dropped.append(what)


def read_siz(upload: bytes, start: int) -> Siz:
    """Read the size of a codestream, and check what its decoder would allocate against the limits.

    Raises:
        NotAnImage: its samples are signed, or have more than 16 bits, or it has too many channels.
        CorruptImage: it is broken, or cut into too many pieces.
    """
    try:
        return _read_siz(upload, start)
    except (struct.error, IndexError) as error:
        raise CorruptImage("the head of the JPEG 2000 codestream is broken") from error


def _read_siz(upload: bytes, start: int) -> Siz:
    if upload[start : start + 4] != CODESTREAM:
        raise CorruptImage("the JPEG 2000 codestream does not begin with its size")
    right, bottom, left, top, tile_w, tile_h, tile_x, tile_y, count = struct.unpack_from(
        ">8IH", upload, start + 8
    )
    width, height = right - left, bottom - top
    if min(width, height, tile_w, tile_h) < 1 or not count:
        raise CorruptImage(
            f"JPEG 2000 of {width}x{height} px in tiles of {tile_w}x{tile_h}, {count} channels"
        )
    if count > MOST_CHANNELS:
        raise NotAnImage(f"JPEG 2000 of {count} channels; expected at most {MOST_CHANNELS}")
    tiles = -(-(right - tile_x) // tile_w) * -(-(bottom - tile_y) // tile_h)
    if tiles > MOST_TILES:
        raise CorruptImage(f"JPEG 2000 of {tiles} tiles; expected at most {MOST_TILES}")
    depths = [upload[start + 42 + 3 * index] for index in range(count)]
    bits = tuple((depth & 0x7F) + 1 for depth in depths)
    if max(bits) > 16 or any(depth & 0x80 for depth in depths):
        raise NotAnImage(
            f"JPEG 2000 with samples of {max(bits)} bits or signed ones; expected unsigned ones of 1 to 16"
        )
    _check_coding(upload, start + 42 + 3 * count, width, height, tiles * count)
    return Siz(width, height, bits)


def _check_coding(upload: bytes, start: int, width: int, height: int, parts: int) -> None:
    """Check the layers and precincts in the main header (A.6.1) against the limits."""
    for _ in range(MOST_SEGMENTS):
        marker, length = struct.unpack_from(">HH", upload, start)
        if marker in (_SOT, _EOC) or length < 2:
            return
        content = upload[start + 4 : start + 2 + length]
        if marker == _COD:
            if struct.unpack_from(">H", content, 2)[0] > MOST_LAYERS:
                raise CorruptImage(f"JPEG 2000 of more than {MOST_LAYERS} layers")
            _check_precincts(content[5:], width, height, parts, has_sizes=bool(content[0] & 1))
        elif marker == _COC:
            _check_precincts(content[2:], width, height, parts, has_sizes=bool(content[1] & 1))
        start += 2 + length
    raise CorruptImage(TOO_MANY)


def _check_precincts(style: bytes, width: int, height: int, parts: int, *, has_sizes: bool) -> None:
    """Check the approximate number of precincts against the limit.

    Args:
        style: number of resolutions, four bytes of the coding, and, if it has them, sizes for each resolution.
        parts: tiles, of each channel.
    """
    levels = style[0]
    if levels > MOST_LEVELS:
        raise CorruptImage(f"JPEG 2000 of {levels} resolutions")
    precincts = parts * (levels + 1)
    for level, size in enumerate(style[5 : 6 + levels] if has_sizes else b""):
        shrink = levels - level
        precincts += (width >> shrink >> (size & 15)) * (height >> shrink >> (size >> 4))
    if precincts > MOST_PRECINCTS:
        raise CorruptImage(f"JPEG 2000 of more than {MOST_PRECINCTS} precincts")
