"""Read the header of a camera's raw file without LibRaw: its size, its EXIF, its XMP.

The size is that of the picture or a little more: only LibRaw knows what margins each camera's sensor has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from photorestore.errors import CorruptImage
from photorestore.imaging.colour.profiles import D65, Primaries, rgb_profile, srgb_curve
from photorestore.imaging.decoders.header import Header
from photorestore.imaging.files.boxes import Boxes, first
from photorestore.imaging.metadata.blocks import orientation_of
from photorestore.imaging.metadata.exif import (
    LAYOUT,
    PREFIX,
    Exif,
    exif_of_tiff,
    orientation_told,
    plain_block,
)
from photorestore.imaging.metadata.extras_read import jpeg_segments
from photorestore.imaging.metadata.ifd import EXIF, GPS, Directory, order_of, read_directory
from photorestore.imaging.tiff.raw import RawTiff

REC_2020 = Primaries(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
RAW_TAGS = frozenset((33421, 33422, 37398, *range(50640, 50660), *range(50706, 50844),
                      *range(50845, 53000)))  # fmt: skip
"""Tags that say how a sensor's samples are stored and developed: with them a result would pass for a raw file."""
_MAKE, _MODEL = 271, 272
_ORIENTATION, _XMP = 274, 700
CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
"""The identifier of the box in which Canon keeps metadata."""
_RAF_PREVIEW, _RAF_SENSOR = 84, 92
"""Where a RAF says where its preview and the directory of its sensor are, and how long."""
_RAF_SIZES = (0x0121, 0x0100)
"""Entries of that directory, of height and width: of the picture, and of the sensor."""
_MOST_RAF_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class RawHead:
    """What a raw file tells before LibRaw sees it.

    Attributes:
        header: as of any picture.
        camera: its maker and model.
        pattern: rows of the period of the sensor's colours, if the file tells them; see `RawTiff.pattern`.
    """

    header: Header
    camera: str
    pattern: tuple[str, ...] = ()


def wide_profile() -> bytes:
    """Return the profile of the colours that raw files are developed to: Rec. 2020 with the curve of sRGB."""
    return rgb_profile("Rec. 2020 with the sRGB tone curve", REC_2020, (srgb_curve(),) * 3)


def read_raw_tiff(upload: bytes, raw: RawTiff) -> RawHead:
    """Read the header of a raw file that is built like a TIFF.

    Raises:
        CorruptImage: it holds no picture.
    """
    dropped = list[str]()
    exif = exif_of_tiff(upload, raw.first.offset, dropped, without=RAW_TAGS)
    xmp = raw.first.blob(_XMP)
    told = raw.first.first(_ORIENTATION, 0)
    orientation = told if 1 <= told <= 8 else orientation_of(None, xmp)
    return _head(raw.kind, raw.size_hw, exif, xmp, orientation, dropped, raw.pattern)


def read_raf(upload: bytes) -> RawHead:
    """Read the header of a RAF.

    Raises:
        CorruptImage: it tells no size.
        struct.error: it breaks off.
    """
    start, length = struct.unpack_from(">II", upload, _RAF_PREVIEW)
    preview = upload[start : start + length]
    exif = next((content for _, _, content in jpeg_segments(preview) if content.startswith(PREFIX)), None)
    return _head("raf", _size_in_raf(upload), exif, None, orientation_of(exif, None), [])


def _size_in_raf(upload: bytes) -> tuple[int, int]:
    (position,) = struct.unpack_from(">I", upload, _RAF_SENSOR)
    (count,) = struct.unpack_from(">I", upload, position)
    position, sizes = position + 4, dict[int, tuple[int, int]]()
    for _ in range(min(count, _MOST_RAF_ENTRIES)):
        tag, length = struct.unpack_from(">HH", upload, position)
        if tag in _RAF_SIZES:
            sizes[tag] = struct.unpack_from(">HH", upload, position + 4)
        position += 4 + length
    found = next((sizes[tag] for tag in _RAF_SIZES if tag in sizes), None)
    if found is None:
        raise CorruptImage("the RAF does not tell the size of its picture")
    return found


def read_cr3(upload: bytes) -> RawHead:
    """Read the header of a CR3.

    Raises:
        CorruptImage: it holds no picture, or its boxes contradict themselves.
        ValueError: a directory lies outside.
    """
    boxes = Boxes(upload)
    movie = first(boxes.top(), b"moov")
    holders = [] if movie is None else list(boxes.within(movie))
    canon = next((box for box in holders if upload[box.start : box.start + 16] == CANON), None)
    if canon is None:
        raise CorruptImage("the CR3 holds no picture")
    blocks = {box.name: upload[box.start : box.end] for box in boxes.within(canon, 16)}
    block = blocks.get(b"CMT1", b"")
    whole, _ = read_directory(block)
    order = order_of(block)
    size = [_number(whole, tag, order) for tag in (257, 256)]
    kept, _ = read_directory(block, without=LAYOUT)
    for name, tag in ((b"CMT2", EXIF), (b"CMT4", GPS)):
        if name in blocks and order_of(blocks[name]) == order:
            kept.below[tag] = read_directory(blocks[name])[0]
    kept.is_followed = False
    exif = Exif(kept, order).block()
    return _head("cr3", (size[0], size[1]), exif, None, orientation_told(block) or 1, [])


def _number(directory: Directory, tag: int, order: str) -> int:
    content = directory.entries[tag].content if tag in directory.entries else b""
    return int.from_bytes(content[:4], "little" if order == "<" else "big")


def _head(
    kind: str,
    size_hw: tuple[int, int],
    exif: bytes | None,
    xmp: bytes | None,
    orientation: int,
    dropped: list[str],
    pattern: tuple[str, ...] = (),
) -> RawHead:
    height, width = size_hw
    header = Header(
        format=kind,
        mode="mosaic",
        bits=16,
        width=width,
        height=height,
        orientation=orientation,
        icc=wide_profile(),
        exif=exif,
        xmp=xmp,
        dropped=dropped,
    )
    return RawHead(header, _camera_in(exif), pattern)


def _camera_in(exif: bytes | None) -> str:
    """Return maker and model by EXIF."""
    try:
        directory, _ = read_directory(plain_block(exif or b""), only=frozenset((_MAKE, _MODEL)))
    except ValueError:
        return "an unnamed camera"
    names = [
        directory.entries[tag].content.split(b"\0")[0].decode("utf-8", "replace").strip()
        for tag in (_MAKE, _MODEL)
        if tag in directory.entries
    ]
    return " ".join(filter(None, names)) or "an unnamed camera"
