"""Read a TIFF's directories as numbers and bytes, without a decoder; `walk.check_directories` bounds them."""

from __future__ import annotations

import struct

from photorestore.errors import TruncatedImage

MOST_PAGES = 4096
MOST_BELOW = 16
"""Directories below a page that are read; cameras write up to four."""
MOST_ENTRIES = 4096
"""Entries of a directory that are read; the lowest numbers stand first."""

SUB_DIRECTORIES = 330
_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_FORMATS |= {16: "Q", 17: "q", 18: "Q"}
_RATIOS = {5: "I", 10: "i"}


class Directory:
    """One directory: where its tags have their values.

    Attributes:
        offset: where it stands in the file.
        order: `<` or `>`, as `struct` writes the order of bytes.
        following: where the next one stands, or 0.
    """

    def __init__(self, upload: bytes, offset: int) -> None:
        self.offset = offset
        self.order = "<" if upload[:1] == b"I" else ">"
        self._upload = upload
        self._entries: dict[int, tuple[int, int, int]] = {}
        self.following = self._read(is_big=is_big(upload))

    def _read(self, *, is_big: bool) -> int:
        upload, order = self._upload, self.order
        entry = struct.Struct(order + ("HHQ8x" if is_big else "HHI4x"))
        count_format, pointer = order + ("Q" if is_big else "H"), order + ("Q" if is_big else "I")
        try:
            (count,) = struct.unpack_from(count_format, upload, self.offset)
            start = self.offset + struct.calcsize(count_format)
            for position in range(start, start + min(count, MOST_ENTRIES) * entry.size, entry.size):
                tag, kind, length = entry.unpack_from(upload, position)
                inline = position + entry.size - struct.calcsize(pointer)
                is_inline = length * self._size_of(kind) <= struct.calcsize(pointer)
                place = inline if is_inline else struct.unpack_from(pointer, upload, inline)[0]
                self._entries.setdefault(tag, (kind, length, place))
            end = start + count * entry.size
            return int(struct.unpack_from(pointer, upload, end)[0]) if end + 4 <= len(upload) else 0
        except struct.error as error:
            raise TruncatedImage("the TIFF breaks off within a directory") from error

    @staticmethod
    def _size_of(kind: int) -> int:
        return 8 if kind in _RATIOS else struct.calcsize(_FORMATS.get(kind, "B"))

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def numbers(self, tag: int, most: int) -> tuple[float, ...]:
        """Return at most `most` values of a tag, fractions divided; none where the tag is missing.

        Raises:
            TruncatedImage: they stand beyond the end of the file.
        """
        kind, count, place = self._entries.get(tag, (1, 0, 0))
        count = min(count, most)
        is_ratio = kind in _RATIOS
        letter = _RATIOS.get(kind) or _FORMATS.get(kind, "B")
        size = struct.calcsize(letter) * (1 + is_ratio)
        if place + count * size > len(self._upload):
            raise TruncatedImage(f"the TIFF breaks off before the values of tag {tag}")
        values = struct.unpack_from(f"{self.order}{count * (1 + is_ratio)}{letter}", self._upload, place)
        if not is_ratio:
            return values
        return tuple(
            above / below if below else 0.0 for above, below in zip(*[iter(values)] * 2, strict=True)
        )

    def integers(self, tag: int, most: int) -> tuple[int, ...]:
        """Return the values of a tag as integers; see `numbers`."""
        return tuple(int(value) for value in self.numbers(tag, most))

    def first(self, tag: int, default: int) -> int:
        """Return the first value of a tag; `default` where there is none."""
        found = self.integers(tag, 1)
        return found[0] if found else default

    def blob(self, tag: int) -> bytes | None:
        """Return the bytes of a tag, or None."""
        if tag not in self._entries:
            return None
        kind, count, place = self._entries[tag]
        return self._upload[place : place + count * self._size_of(kind)]


def is_big(upload: bytes) -> bool:
    """Return whether a TIFF is a BigTIFF, whose pointers have 64 bits."""
    return upload[2:4] in (b"+\0", b"\0+")


def pages(upload: bytes) -> list[Directory]:
    """Return the directories in the chain of a TIFF, each once.

    Raises:
        TruncatedImage: there is none, or it breaks off.
    """
    order = "<" if upload[:1] == b"I" else ">"
    try:
        (start,) = struct.unpack_from(
            order + ("Q" if is_big(upload) else "I"), upload, 8 if is_big(upload) else 4
        )
    except struct.error as error:
        raise TruncatedImage("the TIFF breaks off within its header") from error
    found: list[Directory] = []
    seen = {0}
    while start not in seen and len(found) < MOST_PAGES:
        if start >= len(upload) and found:  # a chain that leads nowhere spoils no page before
            break
        seen.add(start)
        found.append(Directory(upload, start))
        start = found[-1].following
    if not found:
        raise TruncatedImage("the TIFF has no directory")
    return found


def below(upload: bytes, page: Directory) -> list[Directory]:
    """Return the directories that a page points to as its own, without those that break off."""
    found = []
    for start in page.integers(SUB_DIRECTORIES, MOST_BELOW):
        if 0 < start < len(upload):
            try:
                found.append(Directory(upload, start))
            except TruncatedImage:
                continue
    return found
