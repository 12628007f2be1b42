"""Walk over the boxes of ISO files (HEIF, AVIF, JPEG 2000; ISO/IEC 14496-12, 4.2), within bounds.

At most as many boxes as `pieces` allows are walked over in all, nested at most `MOST_DEPTH` deep, none beyond the end
of the box that holds it. Each step moves on by at least 8 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from photorestore.errors import CorruptImage
from photorestore.imaging.files.pieces import Pieces

MOST_DEPTH = 8
_HEAD = struct.Struct(">I4s")
_LONG_HEAD = struct.Struct(">I4sQ")
_TO_THE_END, _LONG = 0, 1


@dataclass(frozen=True, slots=True)
class Box:
    """One box.

    Attributes:
        name: four letters.
        start, end: where its content lies.
        depth: 1 for boxes that no other box holds.
        is_cut: whether the file ends within it.
    """

    name: bytes
    start: int
    end: int
    depth: int = 1
    is_cut: bool = False

    @property
    def size(self) -> int:
        """Return how many bytes of its content are in the file."""
        return self.end - self.start


class Boxes:
    """The boxes of one file."""

    def __init__(self, upload: bytes) -> None:
        self._upload = upload
        self._pieces = Pieces(upload)

    def top(self) -> Iterator[Box]:
        """Yield the boxes that no other box holds, until something follows that is not a box.

        Raises:
            CorruptImage: there are too many.
        """
        return self._walk(Box(b"", 0, len(self._upload), depth=0, is_cut=True), 0)

    def within(self, holder: Box, skipped: int = 0) -> Iterator[Box]:
        """Yield the boxes in another box, after skipping some bytes of its content.

        Raises:
            CorruptImage: one is shorter than its own head or longer than its holder, or there are too many, or too
                deep ones.
        """
        if holder.depth >= MOST_DEPTH:
            raise CorruptImage(f"boxes in boxes, more than {MOST_DEPTH} deep")
        return self._walk(holder, skipped)

    def _walk(self, holder: Box, skipped: int) -> Iterator[Box]:
        start, depth = holder.start + skipped, holder.depth + 1
        while start + _HEAD.size <= holder.end:
            self._pieces.count()
            length, name = _HEAD.unpack_from(self._upload, start)
            head = _HEAD.size
            if length == _LONG and start + _LONG_HEAD.size <= holder.end:
                _, _, length = _LONG_HEAD.unpack_from(self._upload, start)
                head = _LONG_HEAD.size
            end = holder.end if (length, head) == (_TO_THE_END, _HEAD.size) else start + length
            if end < start + head or (end > holder.end and not holder.is_cut):
                if depth == 1:
                    return
                raise CorruptImage(f"a box of {length} bytes where there are {holder.end - start}")
            yield Box(name, start + head, min(end, holder.end), depth, end > holder.end)
            start = end


def first(boxes: Iterable[Box], name: bytes) -> Box | None:
    """Return the first box of a name, or None."""
    return next((box for box in boxes if box.name == name), None)
