"""How the container of a HEIF turns its picture, of which the metadata speaks as it was before (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from dataclasses import replace

from photorestore.imaging.change import Change
from photorestore.imaging.sniff import HEIF

_BY_TURN_AND_MIRROR = {
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip
"""EXIF's number for quarters to the left and, after these, an exchange of top and bottom (0) or of the sides (1)."""
_MOST_BOXES = 64


def change_of_stored(upload: bytes, kind: str, change: Change) -> Change:
    """The change from pixels as they are stored in a HEIF, whose decoder turns them; as it is for other formats.

    Args:
        change: from pixels as the decoder gives them.
    """
    orientation = _orientation(upload) if kind in HEIF else 1
    if orientation == 1:
        return change
    sides = (change.source_width, change.source_height)
    width, height = sides[::-1] if orientation >= 5 else sides
    return replace(change, orientation=orientation, source_width=width, source_height=height)


def _orientation(upload: bytes) -> int:
    """EXIF's number, 1 to 8, for what the boxes `irot` and `imir` of a HEIF tell; 1 where there is none."""
    start, length, name = 0, 0, b""
    for _ in range(_MOST_BOXES):
        start += length
        if start + 8 > len(upload):
            return 1
        length, name = struct.unpack_from(">I4s", upload, start)
        if name == b"meta" or length < 8:
            break
    turn, mirror = (_value(upload, box, start, start + length) for box in (b"irot", b"imir"))
    return _BY_TURN_AND_MIRROR[(turn or 0) & 3, None if mirror is None else mirror & 1]


def _value(upload: bytes, box: bytes, start: int, end: int) -> int | None:
    """What a box of one byte holds; pictures beside the primary one are turned alike."""
    found = upload.find(b"\0\0\0\x09" + box, start, end)
    return upload[found + 8] if 0 <= found < len(upload) - 8 else None
