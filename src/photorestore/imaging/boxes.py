"""The boxes of an ISO media file (AVIF, HEIC): what colours the picture's code points tell."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BOXES = 4096
"""Looked at in one box; a picture has dozens."""


@dataclass(frozen=True, slots=True)
class Box:
    """Its type and where its content lies."""

    name: bytes
    start: int
    end: int


def find_nclx(upload: bytes) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics (ITU-T H.273) of the picture, or None where none are told.

    What the head of a broken file tells counts as far as it goes.
    """
    try:
        return _of_primary_item(upload) or _of_sequence(upload)
    except (struct.error, IndexError):
        return None


def _of_primary_item(upload: bytes) -> tuple[int, int] | None:
    """Of the item that is the picture: alpha, thumbnails and gain maps may have colours of their own."""
    meta = _only(upload, Box(b"", 0, len(upload)), b"meta")
    if meta is None:
        return None
    meta = Box(meta.name, meta.start + 4, meta.end)
    pitm, iprp = _only(upload, meta, b"pitm"), _only(upload, meta, b"iprp")
    ipco = _only(upload, iprp, b"ipco") if iprp else None
    if pitm is None or iprp is None or ipco is None:
        return None
    item = _integer(upload, pitm.start + 4, 4 if upload[pitm.start] else 2)
    properties = list(_boxes(upload, ipco))
    for ipma in _boxes(upload, iprp):
        if ipma.name == b"ipma":
            for index in _properties_of(upload, ipma, item):
                if 1 <= index <= len(properties) and (code := _nclx(upload, properties[index - 1])):
                    return code
    return None


def _of_sequence(upload: bytes) -> tuple[int, int] | None:
    """Of the first track of an animation."""
    moov = _only(upload, Box(b"", 0, len(upload)), b"moov")
    found = upload.find(b"colrnclx", moov.start, moov.end) if moov else -1
    return None if found < 0 else struct.unpack_from(">HH", upload, found + 8)


def _nclx(upload: bytes, box: Box) -> tuple[int, int] | None:
    if box.name != b"colr" or upload[box.start : box.start + 4] != b"nclx":
        return None
    primaries, transfer = struct.unpack_from(">HH", upload, box.start + 4)
    return primaries, transfer


def _properties_of(upload: bytes, ipma: Box, item: int) -> list[int]:
    """Which properties, counted from 1, belong to an item."""
    id_bytes = 4 if upload[ipma.start] else 2
    index_bytes = 2 if upload[ipma.start + 3] & 1 else 1
    essential = 0x8000 if index_bytes == 2 else 0x80
    at = ipma.start + 8
    while at + id_bytes < ipma.end:
        found = _integer(upload, at, id_bytes)
        count = upload[at + id_bytes]
        at += id_bytes + 1
        if found == item:
            indices = (_integer(upload, at + i * index_bytes, index_bytes) for i in range(count))
            return [index & ~essential for index in indices]
        at += count * index_bytes
    return []


def _only(upload: bytes, parent: Box, name: bytes) -> Box | None:
    return next((box for box in _boxes(upload, parent) if box.name == name), None)


def _boxes(upload: bytes, parent: Box) -> Iterator[Box]:
    """Boxes in a box."""
    start = parent.start
    for _ in range(MOST_BOXES):
        if start + 8 > parent.end:
            return
        length, name = struct.unpack_from(">I4s", upload, start)
        head = 8
        if length == 1:
            length, head = _integer(upload, start + 8, 8), 16
        end = parent.end if length == 0 else min(parent.end, start + length)
        if end < start + head:
            return
        yield Box(name, start + head, end)
        start = end


def _integer(upload: bytes, start: int, length: int) -> int:
    return int.from_bytes(upload[start : start + length], "big")
