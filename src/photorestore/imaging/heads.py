"""Bound how many pieces a head may have, and how long reading it may take, whatever it contains.

Decoders written in C read everything at once, so the pieces are counted before. Those written in Python read piece by
piece, from a `BoundedReader`.
"""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Iterator

from photorestore.errors import CorruptImage
from photorestore.imaging.files.boxes import Box, Boxes
from photorestore.imaging.files.pieces import TOO_MANY, Pieces
from photorestore.imaging.files.sniff import png_chunks
from photorestore.imaging.tiff.walk import check_directories

MOST_PROFILES = 16
"""ICC profiles in a PNG. The format allows one, and each may unpack to a thousand times its size."""
LONGEST_LIST = 64 << 10
"""Bytes of all lists of one kind in an AVIF or a HEIF: its decoder looks for each item from the start."""
FEWEST_READS = 65_536
PRICE_OF_READ = 1024
TIMES_READ = 8
"""A decoder may read a file so many times over; each read also costs `PRICE_OF_READ` bytes, since a GIF is read in
blocks of 255."""
LONGEST_JPEG_HEAD = 24 << 20
"""Bytes of a JPEG before its pixels, prices included: more than a profile and a map of depths, in hundreds of segments.
Pillow joins EXIF in pieces anew for each piece."""
LONGEST_S = 1.0
"""Of computing for a head; ordinary ones take less than a thousandth, a GIF of 64 MB a third."""
LOOK_AFTER = 64 << 10
"""Bytes of what may be read, prices included, between two looks at the clock."""

SHORT_HEAD_SEGMENTS = 64
SHORT_HEAD_BYTES = 32 << 10

_SEGMENT = struct.Struct(">HH")
_START_OF_SCAN = 0xFFDA
_SEGMENTS = {0xFFC0, 0xFFC1, 0xFFC2, 0xFFC4, 0xFFDB, 0xFFDD, 0xFFFE, *range(0xFFE0, 0xFFF0)}
"""Frames, tables, comments and applications' segments, all with a length."""
_ANIMATION_FRAME_BYTES = 16
_LISTS = (b"iinf", b"iloc", b"iref", b"ipma", b"pitm", b"grpl", b"hvcC")
_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0}
"""Boxes of an AVIF or a HEIF that hold others, behind so many bytes."""


def check_head(upload: bytes, kind: str) -> None:
    """Check how many pieces an upload has against the limits.

    Raises:
        CorruptImage: there are too many.
    """
    match kind:
        case "png":
            _check_png(upload)
        case "webp":
            _check_webp(upload)
        case "avif" | "heic" | "heif" | "cr3":
            _check_boxes(upload)
        case "tiff":
            check_directories(upload)


class BoundedReader(io.BytesIO):
    """Gives an upload to a decoder, within limits of how often, how much and how long it reads."""

    def __init__(self, upload: bytes, kind: str) -> None:
        super().__init__(upload)
        self._budget = PRICE_OF_READ * FEWEST_READS + TIMES_READ * len(upload)
        self._left = LONGEST_JPEG_HEAD if kind == "jpeg" else self._budget
        self._next_look = self._left - LOOK_AFTER
        self._ends_s = time.thread_time() + LONGEST_S

    def renew(self) -> None:
        """Allow as much again, for the pixels; how long these take depends on their number."""
        self._left = self._budget
        self._next_look = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on.

        Raises:
            CorruptImage: it was too often, too much or for too long.
        """
        content = io.BytesIO.read(self, size)
        self._left -= PRICE_OF_READ + len(content)
        if self._left < self._next_look:
            self._look()
        return content

    def _look(self) -> None:
        if self._left < 0:
            raise CorruptImage(TOO_MANY)
        if time.thread_time() > self._ends_s:
            raise CorruptImage(f"reading the head takes more than {LONGEST_S:g} s")
        self._next_look = max(0, self._left - LOOK_AFTER)


def reader(upload: bytes, kind: str) -> io.BytesIO:
    """Return the file object from which a decoder written in Python reads the upload."""
    return io.BytesIO(upload) if kind == "jpeg" and has_short_head(upload) else BoundedReader(upload, kind)


def has_short_head(upload: bytes) -> bool:
    """Return whether a JPEG's head is a few well-formed segments.

    Reading such a head takes 20 ms at worst, and so needs no `BoundedReader`, which would slow it down.
    """
    position = 2
    for _ in range(SHORT_HEAD_SEGMENTS):
        if position > SHORT_HEAD_BYTES or position + 4 > len(upload):
            return False
        marker, length = _SEGMENT.unpack_from(upload, position)
        if marker == _START_OF_SCAN:
            return True
        if marker not in _SEGMENTS or length < 2:
            return False
        position += 2 + length
    return False


def _check_png(upload: bytes) -> None:
    pieces, profiles = Pieces(upload), 0
    for name, _, _ in png_chunks(upload):
        pieces.count()
        profiles += name == b"iCCP"
        if profiles > MOST_PROFILES:
            raise CorruptImage(f"PNG has more than {MOST_PROFILES} ICC profiles; expected one")


def _check_webp(upload: bytes) -> None:
    pieces, start = Pieces(upload), 12
    end = min(len(upload), 8 + int.from_bytes(upload[4:8], "little"))
    while start + 8 <= end:
        pieces.count()
        name, length = struct.unpack_from("<4sI", upload, start)
        start += 8 + (_ANIMATION_FRAME_BYTES if name == b"ANMF" else length + length % 2)


def _check_boxes(upload: bytes) -> None:
    """Walk the boxes, and those in boxes that hold lists."""
    boxes, left = Boxes(upload), dict.fromkeys(_LISTS, LONGEST_LIST)

    def check(found: Iterator[Box]) -> None:
        for box in found:
            if box.name in _LISTS:
                left[box.name] -= box.size
                if left[box.name] < 0:
                    raise CorruptImage("the file has more items than a picture needs")
            if box.name in _CONTAINERS:
                check(boxes.within(box, _CONTAINERS[box.name]))

    check(boxes.top())
