"""Read what an upload holds besides EXIF, XMP and ICC, and name what of it is not kept."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

from photorestore.errors import TruncatedImage
from photorestore.imaging.files.sniff import RAW, png_chunks
from photorestore.imaging.metadata.extras import (
    LONGEST_TEXT,
    RESOLUTION,
    TEXT_CHUNKS,
    Density,
    Extras,
    Text,
    density_of_jfif,
    density_of_phys,
    density_of_tags,
    raw_profile,
    read_text,
)
from photorestore.imaging.metadata.ifd import Entry, order_of, read_directory
from photorestore.imaging.metadata.photoshop import IPTC, read_resources
from photorestore.imaging.metadata.xmp_extended import EXTENSION_PREFIX, MAIN_PREFIX
from photorestore.imaging.tiff.layout import directory_of

MOST_SEGMENTS = 24_576
"""Of a JPEG's head that are read; no decoder is let through more."""
MOST_NAMED = 64
"""Kinds of losses that are named."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"
_RESOURCES_PREFIX = b"Photoshop 3.0\0"
_KNOWN_STARTS = (b"JFIF\0", b"Exif\0", MAIN_PREFIX, EXTENSION_PREFIX, b"ICC_PROFILE\0", b"Adobe")
_BLOCK_STARTS = (b"Exif\0\0II", b"Exif\0\0MM")
_NAMED_STARTS = {
    b"MPF\0": "further pictures: not kept",
    b"JFXX\0": "thumbnail: JFIF's is not kept",
    b"FPXR": "FlashPix: not kept",
    b"JP": "content credentials: not kept",
}
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
"""A GIF's extensions that say how often it is shown."""
_RAW_PROFILE = "Raw profile type "
_PROFILES_ELSEWHERE = ("exif", "APP1", "xmp")
_IPTC, _RESOURCES = 33723, 34377
_UNKEPT_CHUNKS = {
    b"bKGD": "background colour",
    b"caBX": "content credentials",
    b"oFFs": "offset",
    b"sBIT": "significant bits",
    b"sCAL": "physical scale",
}
_CHUNKS_OF_PIXELS = {
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"cICP", b"sRGB", b"gAMA", b"cHRM", b"acTL", b"fcTL", b"fdAT",
    b"eXIf",
}  # fmt: skip
"""And EXIF's, which are read elsewhere."""


def read_extras(upload: bytes, kind: str) -> Extras:
    """Read what an upload, of a format in `sniff.ACCEPTED`, holds besides EXIF, XMP and ICC."""
    extras = Extras()
    match kind:
        case "jpeg":
            _read_jpeg(upload, extras)
        case "png":
            _read_png(upload, extras)
        case "tiff":
            _read_tiff(upload, extras)
        case "gif":
            _read_gif(upload, extras)
        case "bmp":
            extras.density = _density_of_bmp(upload)
        case _ if kind in RAW:
            _read_tiff(upload, extras)  # those that are none have nothing
    return extras


def jpeg_segments(upload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield marker, place and content of each segment of a JPEG up to its first scan, that of the scan included."""
    position = 2
    for _ in range(MOST_SEGMENTS):
        while upload[position : position + 2] == b"\xff\xff":
            position += 1
        if upload[position : position + 1] != b"\xff" or position + 4 > len(upload):
            return
        marker, length = upload[position + 1], int.from_bytes(upload[position + 2 : position + 4], "big")
        yield marker, position, upload[position + 4 : position + 2 + length]
        if marker == _START_OF_SCAN or length < 2:
            return
        position += 2 + length


def _read_jpeg(upload: bytes, extras: Extras) -> None:
    resources, seen = bytearray(), set[str]()
    for marker, position, content in jpeg_segments(upload):
        if marker == 0xFE:
            extras.comments.append(content)
        elif marker == 0xED and content.startswith(_RESOURCES_PREFIX):
            resources += content[len(_RESOURCES_PREFIX) :]
        elif marker == 0xE0 and content.startswith(b"JFIF\0"):
            extras.density = density_of_jfif(content)
        elif marker == 0xE1 and content.startswith((*_BLOCK_STARTS, MAIN_PREFIX)):
            what = "xmp: a further packet" if content.startswith(MAIN_PREFIX) else "exif: a further block"
            if what in seen:
                _name_once(f"{what}: not kept", extras)
            seen.add(what)
        elif 0xE0 <= marker <= 0xEF and not content.startswith(_KNOWN_STARTS):
            _name_segment(marker, content, extras)
        elif marker == _START_OF_SCAN:
            _name_trailer(upload, position, extras)
    extras.resources = read_resources(bytes(resources), extras.dropped)


def _name_segment(marker: int, content: bytes, extras: Extras) -> None:
    named = (what for start, what in _NAMED_STARTS.items() if content.startswith(start))
    what = next(named, f"app{marker - 0xE0}: not kept")
    _name_once(what, extras)


def _name_trailer(upload: bytes, scan: int, extras: Extras) -> None:
    """What follows a picture: videos of phones, gain maps, larger previews."""
    end = upload.find(_END_OF_IMAGE, scan)
    if end >= 0 and upload.count(b"\0", end + 2) < len(upload) - end - 2:
        extras.dropped.append(f"trailer: {len(upload) - end - 2} bytes behind the picture are not kept")


def _read_png(upload: bytes, extras: Extras) -> None:
    left = LONGEST_TEXT
    for name, start, length in png_chunks(upload):
        if name in (*TEXT_CHUNKS, b"tIME"):
            text = read_text(name, upload[start : start + length], left)
            left -= len(text.text or "") if name != b"tEXt" else 0
            _add_text(text, extras)
        elif name == b"pHYs":
            extras.density = density_of_phys(upload[start : start + length])
        elif name not in _CHUNKS_OF_PIXELS and name.isalpha():
            what = _UNKEPT_CHUNKS.get(name, f"chunk {name.decode()}")
            _name_once(f"{what}: not kept", extras)


def _add_text(text: Text, extras: Extras) -> None:
    if text.keyword == "XML:com.adobe.xmp":
        return
    if not text.keyword.startswith(_RAW_PROFILE):
        extras.texts.append(text)
        return
    kind = text.keyword.removeprefix(_RAW_PROFILE)
    if kind in _PROFILES_ELSEWHERE:
        return
    block = raw_profile(text)
    if kind not in ("iptc", "8bim") or block is None:
        _name_once(f"{kind[:16]}: a raw profile that is not kept", extras)
    elif block.startswith(b"\x1c"):
        extras.resources[IPTC] = block
    else:
        extras.resources |= read_resources(block.removeprefix(_RESOURCES_PREFIX), extras.dropped)


def _name_once(what: str, extras: Extras) -> None:
    if what not in extras.dropped and len(extras.dropped) < MOST_NAMED:
        extras.dropped.append(what)


def _read_tiff(upload: bytes, extras: Extras) -> None:
    try:
        order, start = order_of(upload), directory_of(upload)
        only = frozenset((*RESOLUTION, _IPTC, _RESOURCES))
        directory, left_out = read_directory(upload, start=start, only=only)
    except (ValueError, TruncatedImage):
        return
    entries = directory.entries
    extras.dropped += ["iptc: cannot be read" for tag in left_out if tag in (_IPTC, _RESOURCES)]
    if _RESOURCES in entries:
        extras.resources = read_resources(entries[_RESOURCES].content, extras.dropped)
    if _IPTC in entries:
        iptc = _iptc_of_tiff(entries[_IPTC])
        if extras.resources.get(IPTC, iptc).rstrip(b"\0") != iptc.rstrip(b"\0"):
            extras.dropped.append("iptc: Photoshop's own, which differs: not kept")
        extras.resources[IPTC] = iptc
    extras.density = density_of_tags(entries, order)


def _iptc_of_tiff(entry: Entry) -> bytes:
    """Return IPTC; some writers store it as numbers of 32 bits, padded and perhaps in the other byte order."""
    if entry.kind != 4:
        return entry.content
    content = entry.content if entry.content.startswith(b"\x1c") else entry.swapped().content
    return content.rstrip(b"\0")


def _density_of_bmp(upload: bytes) -> Density | None:
    if len(upload) < 46:
        return None
    x, y = struct.unpack_from("<ii", upload, 38)
    return Density(Fraction(x), Fraction(y), "metre") if x > 0 and y > 0 else None


def _read_gif(upload: bytes, extras: Extras) -> None:
    """What stands before its first frame."""
    position = 13
    if len(upload) > 10 and upload[10] & 0x80:
        position += 3 << (upload[10] & 7) + 1
    for _ in range(MOST_SEGMENTS):
        if upload[position : position + 1] != b"\x21":
            break
        label = upload[position + 1 : position + 2]
        content, position = _blocks(upload, position + 2)
        if label == b"\xfe":
            extras.comments.append(content)
        elif label == b"\xff" and content[:11] not in _LOOPS:
            _name_once(f"extension {content[:11].decode('ascii', 'replace')}: not kept", extras)


def _blocks(upload: bytes, position: int) -> tuple[bytes, int]:
    """Return what the blocks from a position on hold, at most `MOST_SEGMENTS`, and where they end."""
    pieces = list[bytes]()
    for _ in range(MOST_SEGMENTS):
        length = upload[position] if position < len(upload) else 0
        position += 1 + length
        if not length:
            break
        pieces.append(upload[position - length : position])
    return b"".join(pieces), position
