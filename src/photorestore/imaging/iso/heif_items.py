"""Read what the box `meta` of a HEIF or AVIF file lists: its items, their references, and their properties.

See ISO/IEC 14496-12, 8.11, and 23008-12, 9.3. `heads` has checked the length of such lists before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from photorestore.errors import NotAnImage
from photorestore.imaging.files.boxes import Box, Boxes, first

_FULL = 4
"""Bytes of version and flags, before the content of many boxes."""
_IN_FILE, _IN_IDAT = 0, 1
_BY_ROTATION_AND_MIRROR = {
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip
"""EXIF orientation by quarter rotations to the left and the mirror after them: top and bottom (0), or sides (1)."""


@dataclass(slots=True)
class Item:
    """A picture, or metadata.

    Attributes:
        kind: four letters.
        is_hidden: whether it is only part of others.
        content_type, encoding: of a `mime` item.
        extents: start and length in the file of each part of its content; None where it is elsewhere.
    """

    kind: bytes
    is_hidden: bool = False
    content_type: bytes = b""
    encoding: bytes = b""
    extents: list[tuple[int, int]] | None = None


@dataclass(slots=True)
class Items:
    """All that `meta` lists.

    Attributes:
        primary: the number of the item that is the picture, or None.
        items: by their numbers.
        references: the numbers that each kind of reference leads to from each item.
        properties: all in the file, in order.
        belonging: which of them each item has, counted from 1.
        has_tracks: whether the file also holds a sequence.
    """

    upload: bytes
    primary: int | None = None
    items: dict[int, Item] = field(default_factory=dict)
    references: dict[tuple[bytes, int], list[int]] = field(default_factory=dict)
    properties: list[Box] = field(default_factory=list)
    belonging: dict[int, list[int]] = field(default_factory=dict)
    has_tracks: bool = False

    def properties_of(self, item: int) -> list[Box]:
        """Return the properties of an item in the order in which they are applied."""
        indices = self.belonging.get(item, [])
        return [self.properties[index - 1] for index in indices if 1 <= index <= len(self.properties)]

    def content_of(self, item: int) -> bytes:
        """Return the bytes of an item.

        Raises:
            ValueError: they are not all in the file.
        """
        extents = self.items[item].extents
        if not extents or sum(length for _, length in extents) > len(self.upload):
            raise ValueError(f"item {item} is not in the file")
        if any(start + length > len(self.upload) for start, length in extents):
            raise ValueError(f"item {item} is beyond the file's end")
        return b"".join(self.upload[start : start + length] for start, length in extents)


def read_items(upload: bytes) -> Items:
    """Read the lists of a file.

    Raises:
        NotAnImage: it is a sequence and nothing else.
        CorruptImage: a box is broken, or there are too many.
        ValueError, LookupError, struct.error: there are no lists, or one breaks off.
    """
    boxes = Boxes(upload)
    found, meta = Items(upload), None
    for box in boxes.top():
        found.has_tracks |= box.name == b"moov"
        meta = meta or (box if box.name == b"meta" else None)
    if meta is None and found.has_tracks:
        raise NotAnImage("a sequence in which no picture stands by itself")
    if meta is None or meta.is_cut:
        raise ValueError("the file has no list of items")
    parts: dict[bytes, Box] = {}
    for box in boxes.within(meta, _FULL):
        parts.setdefault(box.name, box)
    if b"pitm" in parts:
        found.primary = _Reader(upload, parts[b"pitm"]).wide(from_version=1)
    if b"iinf" in parts:
        found.items = dict(_infos(upload, boxes, parts[b"iinf"]))
    if b"iloc" in parts:
        _locate(found, _Reader(upload, parts[b"iloc"]), parts.get(b"idat"))
    if b"iref" in parts:
        found.references = _references(upload, boxes, parts[b"iref"])
    if b"iprp" in parts:
        _read_properties(found, boxes, parts[b"iprp"])
    return found


def orientation_by(upload: bytes, properties: Iterable[Box]) -> int:
    """Return the EXIF orientation, 1 to 8, that a picture's properties `irot` and `imir` amount to."""
    found = {box.name: upload[box.start] for box in properties if box.name in (b"irot", b"imir")}
    mirror = found.get(b"imir")
    return _BY_ROTATION_AND_MIRROR[found.get(b"irot", 0) & 3, None if mirror is None else mirror & 1]


class _Reader:
    """Reads numbers from the content of a box with version and flags."""

    def __init__(self, upload: bytes, box: Box) -> None:
        self._upload, self._end = upload, box.end
        self.version, self.flags = upload[box.start], upload[box.start + 3]
        self.at = box.start + _FULL

    def number(self, length: int) -> int:
        """Read an unsigned number of so many bytes.

        Raises:
            ValueError: the box ends before.
        """
        if self.at + length > self._end:
            raise ValueError("a list breaks off")
        self.at += length
        return int.from_bytes(self._upload[self.at - length : self.at], "big")

    def wide(self, from_version: int) -> int:
        """Read a number of 4 bytes from a version on, of 2 before."""
        return self.number(4 if self.version >= from_version else 2)

    def text(self) -> bytes:
        """Read up to a zero, or to the end."""
        zero = self._upload.find(b"\0", self.at, self._end)
        start, self.at = self.at, self._end if zero < 0 else zero + 1
        return self._upload[start : self._end if zero < 0 else zero]


def _infos(upload: bytes, boxes: Boxes, iinf: Box) -> Iterator[tuple[int, Item]]:
    count = _Reader(upload, iinf).wide(from_version=1)
    skipped = _FULL + (4 if upload[iinf.start] else 2)
    for box, _ in zip(boxes.within(iinf, skipped), range(count), strict=False):
        reader = _Reader(upload, box)
        if box.name != b"infe" or reader.version < 2:
            continue
        number = reader.wide(from_version=3)
        reader.number(2)  # protection
        item = Item(reader.number(4).to_bytes(4, "big"), is_hidden=bool(reader.flags & 1))
        if item.kind == b"mime":
            reader.text()  # its name
            item.content_type, item.encoding = reader.text(), reader.text()
        yield number, item


def _locate(found: Items, reader: _Reader, idat: Box | None) -> None:
    sizes, more_sizes = reader.number(1), reader.number(1)
    offset_bytes, length_bytes, base_bytes = sizes >> 4, sizes & 15, more_sizes >> 4
    index_bytes = more_sizes & 15 if reader.version in (1, 2) else 0
    for _ in range(reader.wide(from_version=2)):
        number = reader.wide(from_version=2)
        method = reader.number(2) & 15 if reader.version in (1, 2) else _IN_FILE
        reader.number(2)  # where the file's data are
        base = reader.number(base_bytes)
        if method == _IN_IDAT and idat is not None:
            base += idat.start
        count = reader.number(2)
        if count > 1 and not offset_bytes + length_bytes:
            raise ValueError(f"item {number} is in {count} parts that are all the same")
        extents = []
        for _ in range(count):
            reader.number(index_bytes)
            extents.append((base + reader.number(offset_bytes), reader.number(length_bytes)))
        is_here = method == _IN_FILE or (method == _IN_IDAT and idat is not None)
        if number in found.items and is_here:
            found.items[number].extents = extents


def _references(upload: bytes, boxes: Boxes, iref: Box) -> dict[tuple[bytes, int], list[int]]:
    found: dict[tuple[bytes, int], list[int]] = {}
    length = 4 if upload[iref.start] else 2
    for box in boxes.within(iref, _FULL):
        content = upload[box.start : box.end]
        source, count = (
            int.from_bytes(content[:length], "big"),
            int.from_bytes(content[length : length + 2], "big"),
        )
        numbers = struct.unpack_from(f">{count}{'I' if length == 4 else 'H'}", content, length + 2)
        found.setdefault((box.name, source), []).extend(numbers)
    return found


def _read_properties(found: Items, boxes: Boxes, iprp: Box) -> None:
    parts = list(boxes.within(iprp))
    ipco = first(parts, b"ipco")
    found.properties = list(boxes.within(ipco)) if ipco else []
    for box in parts:
        if box.name == b"ipma":
            reader = _Reader(found.upload, box)
            index_bytes = 2 if reader.flags & 1 else 1
            mask = 0x7FFF if index_bytes == 2 else 0x7F
            for _ in range(reader.number(4)):
                number = reader.wide(from_version=1)
                indices = [reader.number(index_bytes) & mask for _ in range(reader.number(1))]
                found.belonging.setdefault(number, []).extend(indices)
