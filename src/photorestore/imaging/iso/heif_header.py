"""Read what the boxes of a HEIF or AVIF file say of its picture, before a decoder sees a byte.

Read by the rules of libheif and libavif, which decode it later; `decode` compares what they find with this.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction

from photorestore.errors import NotAnImage
from photorestore.imaging.files.boxes import Box
from photorestore.imaging.files.sniff import Limits, check_size
from photorestore.imaging.iso.heif_items import Items, read_items
from photorestore.imaging.iso.hevc import coded_sizes

CODECS = {
    b"hvc1": "HEVC",
    b"av01": "AV1",
    b"avc1": "AVC",
    b"vvc1": "VVC",
    b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG",
    b"unci": "no compression",
}
_DERIVED = (b"grid", b"iden", b"iovl")
"""Pictures that are made of others."""
MOST_DERIVATIONS = 8
MOST_NAMED = 16
"""At most so many kinds of auxiliary pictures, and of metadata, are named."""
_ALPHA = (
    b"urn:mpeg:avc:2015:auxid:1",
    b"urn:mpeg:hevc:2015:auxid:1",
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
)
_CONFIGURATIONS = {b"hvc1": b"hvcC", b"av01": b"av1C"}
_CUT, _ROTATION = b"clap", b"irot"
_TRANSFORMATIONS = (_CUT, _ROTATION, b"imir")
_EXIF_PREFIX = b"Exif\0\0"
_XMP_TYPE = b"application/rdf+xml"


@dataclass(slots=True)
class Head:
    """What was found.

    Attributes:
        stored: width and height of what is coded.
        width, height: as shown, after the file's transformations.
        corner: x and y of a cut within what is coded.
        bits: of each channel.
        transformations: cut, rotation and mirror, in the order in which they are applied.
        icc: a profile, or None; `nclx`: colour primaries and transfer characteristics (ITU-T H.273), or None.
        exif, xmp: the blocks, or None.
        dropped: what is left out, by name.
    """

    stored: tuple[int, int]
    width: int
    height: int
    corner: tuple[int, int] = (0, 0)
    bits: int = 8
    is_monochrome: bool = False
    has_alpha: bool = False
    is_premultiplied: bool = False
    transformations: list[Box] = field(default_factory=list)
    icc: bytes | None = None
    nclx: tuple[int, int] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dropped: list[str] = field(default_factory=list)


def read_head(upload: bytes, codec: bytes, limits: Limits) -> Head:
    """Read what a file says of its primary picture.

    Args:
        codec: the accepted one of `CODECS`.

    Raises:
        NotAnImage: the picture has another codec.
        ImageTooLarge: it, or what it is made of, has too many pixels, or too long a side.
        CorruptImage: a box is broken, or there are too many.
        ValueError, LookupError, struct.error: something contradicts itself, breaks off or is not there.
    """
    items = read_items(upload)
    primary = items.primary
    if primary is None or primary not in items.items:
        raise ValueError("no item is the picture")
    coded = _coded_item(items, primary, codec, limits)
    stored = _stored_size(items, primary)
    check_size(*stored, limits)
    head = Head(stored, *stored)
    _transform(items, primary, head)
    check_size(head.width, head.height, limits)
    _read_configuration(items, coded, codec, head)
    if codec == b"hvc1":
        for width, height in coded_sizes(upload, items.properties):
            check_size(width, height, limits)
    _read_colours(items, (primary, coded), head)
    _read_alpha(items, primary, head)
    _read_metadata(items, primary, head)
    _name_the_rest(items, head)
    return head


def _coded_item(items: Items, item: int, codec: bytes, limits: Limits) -> int:
    """Return the first item with coded pixels among those that a picture is made of."""
    for _ in range(MOST_DERIVATIONS):
        kind = items.items[item].kind
        content = b"" if kind == b"iden" else items.content_of(item)
        if kind not in _DERIVED:
            if kind != codec:
                name = CODECS.get(kind, repr(kind.decode("latin-1")))
                raise NotAnImage(f"HEIF coded with {name}; expected {CODECS[codec]}")
            return item
        if kind != b"iden":
            check_size(*_canvas(content, kind), limits)
        elif any(box.name in _TRANSFORMATIONS for box in items.properties_of(item)):
            raise NotAnImage("HEIF of a picture that is another one, turned or cut (iden)")
        item = items.references[b"dimg", item][0]
    raise ValueError("a picture is made of one that is made of one, and so on")


def _canvas(content: bytes, kind: bytes) -> tuple[int, int]:
    """Width and height of what is put together of tiles, or of layers."""
    return struct.unpack_from(">II" if content[1] & 1 else ">HH", content, 4 if kind == b"grid" else 10)


def _stored_size(items: Items, item: int) -> tuple[int, int]:
    sizes = [box for box in items.properties_of(item) if box.name == b"ispe"]
    width, height = struct.unpack_from(">II", items.upload, sizes[-1].start + 4)
    return width, height


def _transform(items: Items, item: int, head: Head) -> None:
    """Apply cut and rotation to the size."""
    for box in items.properties_of(item):
        if box.name == _CUT:
            _cut(head, struct.unpack_from(">IIIIiIiI", items.upload, box.start))
        elif box.name == _ROTATION and items.upload[box.start] & 1:
            head.width, head.height = head.height, head.width
        if box.name in _TRANSFORMATIONS:
            head.transformations.append(box)


def _cut(head: Head, numbers: tuple[int, ...]) -> None:
    """Cut to a part, given by width, height and its middle's distance from the whole's middle, each as a fraction."""
    width, height, x, y = (Fraction(*numbers[at : at + 2]) for at in (0, 2, 4, 6))
    left, top = (x + (head.width - width) / 2, y + (head.height - height) / 2)
    head.corner = (max(0, math.floor(left)), max(0, math.floor(top)))
    head.width, head.height = math.floor(width + Fraction(1, 2)), math.floor(height + Fraction(1, 2))


def _read_configuration(items: Items, item: int, codec: bytes, head: Head) -> None:
    """Read depth and channels from the decoder's configuration record."""
    records = [box for box in items.properties_of(item) if box.name == _CONFIGURATIONS[codec]]
    record = items.upload[records[0].start : records[0].end]
    if codec == b"hvc1":
        head.is_monochrome = record[16] & 3 == 0
        head.bits = 8 + (record[17] & 7)
    else:
        head.is_monochrome = bool(record[2] & 0x10)
        head.bits = (12 if record[2] & 0x20 else 10) if record[2] & 0x40 else 8


def _read_colours(items: Items, sources: tuple[int, ...], head: Head) -> None:
    """Read the colours of the picture, or else of the item that it is made of."""
    for box in (box for item in sources for box in items.properties_of(item) if box.name == b"colr"):
        kind, start = items.upload[box.start : box.start + 4], box.start + 4
        if kind in (b"prof", b"rICC") and head.icc is None:
            head.icc = items.upload[start : box.end]
        elif kind == b"nclx" and head.nclx is None:
            head.nclx = struct.unpack_from(">HH", items.upload, start)


def _read_alpha(items: Items, primary: int, head: Head) -> None:
    """Find opacity, a picture that refers to this one or, in a grid, to its tiles; name other such pictures."""
    is_grid = items.items[primary].kind == b"grid"
    parts = {primary, *(items.references.get((b"dimg", primary), []) if is_grid else [])}
    others = set[str]()
    for (kind, source), targets in items.references.items():
        if kind != b"auxl" or parts.isdisjoint(targets):
            continue
        name = _auxiliary_type(items, source)
        head.has_alpha |= name in _ALPHA
        if name not in _ALPHA and primary in targets:
            others.add(f"auxiliary picture: {name.decode('latin-1')}")
    head.dropped += sorted(others)[:MOST_NAMED]
    head.is_premultiplied = head.has_alpha and (b"prem", primary) in items.references


def _auxiliary_type(items: Items, item: int) -> bytes:
    for box in items.properties_of(item):
        if box.name == b"auxC":
            return items.upload[box.start + 4 : box.end].partition(b"\0")[0][:80]
    return b""


def _read_metadata(items: Items, primary: int, head: Head) -> None:
    left_out = set[str]()
    for number, item in items.items.items():
        if primary not in items.references.get((b"cdsc", number), []):
            continue
        if item.kind == b"Exif":
            head.exif = head.exif or _exif(items.content_of(number))
        elif item.content_type != _XMP_TYPE:
            name = (item.content_type or item.kind)[:80].decode("latin-1")
            left_out.add(f"{name}: metadata that are not kept")
        elif item.encoding:
            left_out.add("xmp: packed in the file")
        else:
            head.xmp = head.xmp or items.content_of(number)
    head.dropped += sorted(left_out)[:MOST_NAMED]


def _exif(content: bytes) -> bytes | None:
    """Return the block that follows the offset of its directories."""
    start = 4 + int.from_bytes(content[:4], "big")
    if len(content) - start <= 4:
        start = 4
    elif content[max(0, start - 6) : start] == _EXIF_PREFIX:
        start -= 6
    return content[start:] or None


def _name_the_rest(items: Items, head: Head) -> None:
    parts_of_others = {source for kind, source in items.references if kind in (b"thmb", b"auxl")}
    pictures = [
        number
        for number, item in items.items.items()
        if item.kind in (*CODECS, *_DERIVED) and not item.is_hidden and number not in parts_of_others
    ]
    if len(pictures) > 1:
        head.dropped.append("further pictures")
    if items.has_tracks:
        head.dropped.append("further frames")
