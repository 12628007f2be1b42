"""Read and write directories of a TIFF or an EXIF block as stored: type, number and bytes of each entry.

Nothing is interpreted, so text keeps its encoding and UNDEFINED its bytes. Reading is bounded by `MOST_TAGS` and
`MOST_BYTES`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

EXIF, GPS, INTEROP = 34665, 34853, 40965
_BELOW = (EXIF, GPS, INTEROP)
MOST_TAGS = 4096
"""In one directory: cameras write some dozens."""
MOST_BYTES = 8 << 20
"""Of all entries together."""
UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
"""Of each type: those of TIFF 6, pointers, and EXIF 3's UTF-8."""
_SHORT_POINTERS = (4, 13)
"""Types of 32 bits, in a BigTIFF, too."""
_SWAPPED_BYTES = {5: 4, 10: 4}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag's value.

    Attributes:
        kind: TIFF's number of the type.
        content: as many values of that type as fit into it, in the directory's byte order.
        start: where it stood in what was read.
    """

    kind: int
    content: bytes
    start: int = 0

    def swapped(self) -> Entry:
        """Return the same entry in the other byte order."""
        width = _SWAPPED_BYTES.get(self.kind, UNIT_BYTES[self.kind])
        if width == 1:
            return self
        reversed_bytes = bytearray(len(self.content))
        for byte in range(width):
            reversed_bytes[byte::width] = self.content[width - 1 - byte :: width]
        return Entry(self.kind, bytes(reversed_bytes))


@dataclass(slots=True)
class Directory:
    """Entries by their tags, the directories that some of them point to, and whether another one follows."""

    entries: dict[int, Entry] = field(default_factory=dict)
    below: dict[int, Directory] = field(default_factory=dict)
    is_followed: bool = False

    def swapped(self) -> Directory:
        """Return the same directory in the other byte order."""
        return Directory(
            {tag: entry.swapped() for tag, entry in self.entries.items()},
            {tag: directory.swapped() for tag, directory in self.below.items()},
        )


def order_of(block: bytes | memoryview) -> str:
    """Return the byte order of a TIFF, as `struct` names it.

    Raises:
        ValueError: it does not begin like one.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or len(block) < 8:
        raise ValueError("neither TIFF nor EXIF")
    return order


def read_directory(
    block: bytes | memoryview,
    *,
    start: int | None = None,
    without: frozenset[int] = frozenset(),
    only: frozenset[int] | None = None,
) -> tuple[Directory, list[int]]:
    """Read a directory of a TIFF or an EXIF block (without its prefix); the second result: tags that cannot be read.

    Args:
        start: where it stands; None = it is the first.
        without: its tags that are not wanted.
        only: its tags that are wanted; None = all others.

    Raises:
        ValueError: it does not begin like one, its directory lies outside or has more than `MOST_TAGS` tags.
    """
    reading = _Reading(block)
    directory = reading.at(start, lambda tag: tag not in without and (only is None or tag in only))
    return directory, reading.left_out


class _Reading:
    def __init__(self, block: bytes | memoryview) -> None:
        order = order_of(block)
        self._block = block
        self._is_big = struct.unpack_from(order + "H", block, 2)[0] == 43
        self._count = struct.Struct(order + ("Q" if self._is_big else "H"))
        self._entry = struct.Struct(order + ("HHQ8s" if self._is_big else "HHI4s"))
        self._offset = struct.Struct(order + ("Q" if self._is_big else "I"))
        self._short = struct.Struct(order + "I")
        self._left = MOST_BYTES
        self.left_out = list[int]()

    def at(self, start: int | None, is_wanted: Callable[[int], bool]) -> Directory:
        try:
            if start is None:
                (start,) = self._offset.unpack_from(self._block, 8 if self._is_big else 4)
            return self._directory(start, is_wanted)
        except struct.error as error:
            raise ValueError("the directory lies outside") from error

    def _directory(self, start: int, is_wanted: Callable[[int], bool], depth: int = 0) -> Directory:
        if start > len(self._block):  # in a BigTIFF it may be too large a number for `struct`
            raise struct.error("outside")
        (count,) = self._count.unpack_from(self._block, start)
        if count > MOST_TAGS:
            raise ValueError(f"more than {MOST_TAGS} tags")
        directory = Directory()
        for number in range(count):
            place = start + self._count.size + number * self._entry.size
            if place + self._entry.size > len(self._block):
                break
            tag, kind, length, value = self._entry.unpack_from(self._block, place)
            if tag in directory.entries or not is_wanted(tag):
                continue
            if tag in _BELOW:
                self._add_below(directory, tag, kind, value, depth)
            else:
                self._add(directory, tag, kind, length, value)
        end = start + self._count.size + count * self._entry.size
        directory.is_followed = any(self._block[end : end + self._offset.size])
        return directory

    def _add_below(self, directory: Directory, tag: int, kind: int, value: bytes, depth: int) -> None:
        if depth == 2 or tag in directory.below:
            return
        pointer = self._short if kind in _SHORT_POINTERS else self._offset
        try:
            (start,) = pointer.unpack_from(value)
            directory.below[tag] = self._directory(start, lambda _: True, depth + 1)
        except (struct.error, ValueError):
            self.left_out.append(tag)

    def _add(self, directory: Directory, tag: int, kind: int, length: int, value: bytes) -> None:
        size, start = UNIT_BYTES.get(kind, 0) * length, 0
        content: bytes | memoryview = value[:size]
        if size > len(value):
            (start,) = self._offset.unpack(value)
            content = self._block[start : start + size] if size <= self._left else b""
        if len(content) != size or not size:
            self.left_out.append(tag)
            return
        self._left -= size
        directory.entries[tag] = Entry(kind, bytes(content), start)


def written(directory: Directory, order: str, start: int, pinned: Entry | None = None) -> bytes:
    """Return the bytes of a directory and all below it, to stand at the even offset `start`; no other follows it.

    Args:
        pinned: an entry whose content is not written, as it lies at its `start` already.
    """
    tags = sorted({*directory.entries, *directory.below})
    table, behind = bytearray(struct.pack(order + "H", len(tags))), bytearray()
    after = start + 2 + 12 * len(tags) + 4
    for tag in tags:
        here = after + len(behind)
        if tag in directory.below:
            table += struct.pack(order + "HHII", tag, 4, 1, here)
            behind += written(directory.below[tag], order, here, pinned)
            continue
        entry = directory.entries[tag]
        table += struct.pack(order + "HHI", tag, entry.kind, len(entry.content) // UNIT_BYTES[entry.kind])
        if len(entry.content) <= 4:
            table += entry.content.ljust(4, b"\0")
            continue
        table += struct.pack(order + "I", entry.start if entry is pinned else here)
        if entry is not pinned:
            behind += entry.content + bytes(len(entry.content) % 2)
    return bytes(table + bytes(4) + behind)


def as_block(directory: Directory, order: str, pinned: Entry | None = None) -> bytes:
    """Return the bytes of an EXIF block, without its prefix.

    Args:
        pinned: an entry that is to stand where it stood, since it may tell places by their distance from the block's
            start: the rest goes before it, or behind it where there is no room.
    """
    start, note = 8, b""
    content = written(directory, order, start, pinned)
    if pinned is not None:
        note = pinned.content + bytes((pinned.start + len(pinned.content)) % 2)
        if 8 + len(content) > pinned.start:
            start = pinned.start + len(note)
            content = written(directory, order, start, pinned)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    if pinned is None:
        return head + content
    if start == 8:
        return (head + content).ljust(pinned.start, b"\0") + note
    return head.ljust(pinned.start, b"\0") + note + content
