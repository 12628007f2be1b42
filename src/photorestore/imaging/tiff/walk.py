"""Walk the directories of a TIFF or an EXIF block before a decoder unpacks what they point to."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

from photorestore.errors import CorruptImage

MOST_DIRECTORIES = 4096
"""Pages and directories below them."""
MOST_TAGS = 131_072
"""In all directories."""
LONGEST_NUMBERS = 2 << 20
"""Bytes of numbers in a directory, which become objects 20 times their size: tiles of 16x16 of 50 megapixels."""
LONGEST_RATIOS = 64 << 10
"""Bytes of fractions in a directory, which are worse."""

_BYTE_TYPES = {1, 2, 6, 7}
_RATIO_TYPES = {5, 10}
_UNIT_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_POINTERS = {34665, 34853, 40965}
"""EXIF, GPS and interoperability directories."""

_NUMBERS = {3: "H", 4: "I", 5: "I", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d", 16: "Q"}
"""How values of each type are unpacked; fractions are two."""


def check_directories(block: bytes) -> None:
    """Check the number of directories and tags, and the bytes of their numbers, against the limits.

    What is not a TIFF, or breaks off, is left to its reader.

    Raises:
        CorruptImage: there are too many, or one points back to another that holds it.
    """
    order = "<" if block[:1] == b"I" else ">"
    is_big = block[2:4] in (b"+\0", b"\0+")
    walk = _Walk(block, struct.Struct(order + ("HHQQ" if is_big else "HHII")), order, is_big=is_big)
    try:
        (first,) = struct.unpack_from(order + ("Q" if is_big else "I"), block, 8 if is_big else 4)
        walk.run(first)
    except struct.error:
        return


def numbers(block: bytes, wanted: Sequence[int], start: int | None = None) -> dict[int, Sequence[float]]:
    """Return the values of those `wanted` tags that are numbers, from the directory at `start`, else the first.

    What is not a TIFF has none, and values that cannot be read are left out.
    """
    found: dict[int, Sequence[float]] = {}
    for tag, kind, raw, order in _tags(block, wanted, start):
        if kind not in _NUMBERS:
            continue
        letter = _NUMBERS[kind]
        values = struct.unpack(f"{order}{len(raw) // struct.calcsize('=' + letter)}{letter}", raw)
        if kind in _RATIO_TYPES:
            values = tuple(a / b if b else 0.0 for a, b in zip(values[::2], values[1::2], strict=True))
        if values and all(map(math.isfinite, values)):
            found[tag] = values
    return found


def content(block: bytes, wanted: int, start: int | None = None) -> bytes | None:
    """Return the bytes of a tag that is not a number, from the directory at `start`, else the first."""
    return next((found for _, kind, found, _ in _tags(block, (wanted,), start) if kind not in _NUMBERS), None)


def _tags(block: bytes, wanted: Sequence[int], start: int | None) -> Iterator[tuple[int, int, bytes, str]]:
    """Number, type, content and byte order of the tags `wanted` in one directory, as far as they are whole."""
    order = "<" if block[:1] == b"I" else ">"
    is_big = block[2:4] in (b"+\0", b"\0+")
    count, offset = (
        struct.Struct(order + ("Q" if is_big else "H")),
        struct.Struct(order + ("Q" if is_big else "I")),
    )
    entry = struct.Struct(order + ("HHQ8s" if is_big else "HHI4s"))
    try:
        start = offset.unpack_from(block, 8 if is_big else 4)[0] if start is None else start
        (entries,) = count.unpack_from(block, start)
    except (struct.error, OverflowError):  # overflow: a place beyond all memory
        return
    first = start + count.size
    last = first + min(entries, (len(block) - first) // entry.size) * entry.size
    for tag, kind, length, value in entry.iter_unpack(block[first:last]):
        if tag not in wanted:
            continue
        size = length * _UNIT_BYTES.get(kind, 1)
        (at,) = offset.unpack(value)
        found = value[:size] if size <= len(value) else block[at : at + size]
        if len(found) == size:
            yield tag, kind, found, order


class _Walk:
    """Walks directories, each once."""

    def __init__(self, block: bytes, entry: struct.Struct, order: str, *, is_big: bool) -> None:
        self._block = block
        self._entry = entry
        self._count = struct.Struct(order + ("Q" if is_big else "H"))
        self._next = struct.Struct(order + ("Q" if is_big else "I"))
        self._tags = 0

    def run(self, first: int) -> None:
        """Walk from the first on.

        Raises:
            CorruptImage: a limit is passed.
        """
        waiting, seen = [first], set[int]()
        while waiting:
            start = waiting.pop()
            if start in seen or not 0 < start <= len(self._block) - self._count.size:
                continue
            seen.add(start)
            if len(seen) > MOST_DIRECTORIES:
                raise CorruptImage(f"more than {MOST_DIRECTORIES} TIFF directories")
            waiting += self._directory(start)

    def _directory(self, start: int) -> list[int]:
        """Return where further directories are."""
        (count,) = self._count.unpack_from(self._block, start)
        self._tags += count
        if self._tags > MOST_TAGS:
            raise CorruptImage(f"more than {MOST_TAGS} TIFF tags")
        start += self._count.size
        end = start + count * self._entry.size
        whole = (min(end, len(self._block)) - start) // self._entry.size * self._entry.size
        further, numbers, ratios = list[int](), 0, 0
        for tag, kind, length, value in self._entry.iter_unpack(self._block[start : start + whole]):
            if tag in _POINTERS:
                further.append(value)
            if kind in _RATIO_TYPES:
                ratios += length * 8
            elif kind not in _BYTE_TYPES:
                numbers += length * _UNIT_BYTES.get(kind, 0)
        if numbers > LONGEST_NUMBERS or ratios > LONGEST_RATIOS:
            raise CorruptImage("more numbers in a TIFF directory than a picture needs")
        if end + self._next.size <= len(self._block):
            further += self._next.unpack_from(self._block, end)
        return further
