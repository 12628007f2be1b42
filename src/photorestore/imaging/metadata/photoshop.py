"""Read and write Photoshop's image resources, among which JPEG and TIFF keep IPTC's captions."""

from __future__ import annotations

import struct

from photorestore.imaging.metadata.change import mentions_gps

LONGEST = 4 << 20
"""Bytes of resources that are read."""
MOST_RESOURCES = 4096
_SIGNATURES = (b"8BIM", b"PHUT", b"DCSR", b"AgHg", b"MeSa")
IPTC = 0x0404
DIGEST = 0x0425
_KEPT = (0x03ED, 0x040A, 0x040B, DIGEST)
"""Resolution, whether there is a copyright, its address, and the digest of IPTC."""
EXIF, XMP = 0x0422, 0x0424
"""Mostly copies of what is elsewhere in the file; see `without_copies`."""
_PROFILE = 0x040F
_THUMBNAILS = {0x0409, 0x040C}

Resources = dict[int, bytes]


def read_resources(block: bytes, dropped: list[str]) -> Resources:
    """Return the resources worth keeping, by their numbers.

    Args:
        dropped: gets the names of what is lost.
    """
    kept, lost = Resources(), set[int]()
    position, end = 0, min(len(block), LONGEST)
    for _ in range(MOST_RESOURCES):
        if position + 12 > end or block[position : position + 4] not in _SIGNATURES:
            break
        (number,) = struct.unpack_from(">H", block, position + 4)
        position += 6 + (block[position + 6] + 2) // 2 * 2
        if position + 4 > end:
            break
        (length,) = struct.unpack_from(">I", block, position)
        content = block[position + 4 : position + 4 + length]
        if number in (*_KEPT, IPTC, EXIF, XMP):
            kept.setdefault(number, content)
        elif number != _PROFILE:
            lost.add(number)
        position += 4 + length + length % 2
    if lost & _THUMBNAILS:
        dropped.append("photoshop: thumbnail: shows the picture as it was")
    if lost := lost - _THUMBNAILS:
        named = ", ".join(f"0x{number:04x}" for number in sorted(lost)[:16])
        dropped.append(f"photoshop: resources not kept: {named}")
    return kept


def write_resources(resources: Resources) -> bytes:
    """Return a block of resources."""
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)
        for number, content in sorted(resources.items())
    )


def without_copies(resources: Resources, exif: bytes, xmp: bytes, dropped: list[str]) -> Resources:
    """Return the resources without EXIF and XMP.

    Args:
        exif, xmp: those of the file, without a prefix.
        dropped: gets the names of those that are no copies of them.
    """
    for number, name, block in ((EXIF, "EXIF", exif), (XMP, "XMP", xmp)):
        if number in resources and resources[number].rstrip(b" \n\0") != block.rstrip(b" \n\0"):
            dropped.append(f"photoshop: {name} of its own: not kept")
    return {number: content for number, content in resources.items() if number not in (EXIF, XMP)}


def without_place(resources: Resources, dropped: list[str]) -> Resources:
    """Return the resources without those, and without data sets of IPTC, that mention GPS."""
    kept = {number: content for number, content in resources.items() if not mentions_gps(content)}
    if IPTC in resources and IPTC not in kept:
        kept[IPTC] = b"".join(part for part in _data_sets(resources[IPTC]) if not mentions_gps(part))
        kept.pop(DIGEST, None)
        dropped.append("iptc: data sets that speak of GPS")
    return kept


def _data_sets(block: bytes) -> list[bytes]:
    """IPTC's data sets one by one, as far as they are well-formed."""
    sets, position = list[bytes](), 0
    while position + 5 <= len(block) and block[position] == 0x1C:
        (length,) = struct.unpack_from(">H", block, position + 3)
        start = position + 5
        if length & 0x8000:
            extra = length & 0x7FFF
            length = int.from_bytes(block[start : start + min(extra, 4)], "big")
            start += extra
        sets.append(block[position : start + length])
        position = start + length
    return sets
