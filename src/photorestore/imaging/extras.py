"""What a file says of its picture besides EXIF, XMP and ICC: IPTC, comments, texts, resolution."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from photorestore.imaging import photoshop
from photorestore.imaging.change import mentions_gps
from photorestore.imaging.ifd import Entry

LONGEST_TEXT = 4 << 20
"""Bytes of a compressed text that are unpacked."""
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_PER_METRE = {"inch": Fraction(10_000, 254), "cm": Fraction(100), "metre": Fraction(1)}
RESOLUTION = (282, 283, 296)
"""TIFF's tags of it: across, down, and the unit."""
TIFF_UNITS = {"ratio": 1, "inch": 2, "cm": 3}


@dataclass(frozen=True, slots=True)
class Density:
    """Pixels across and down per unit: `inch`, `cm`, `metre`, or `ratio` where only their proportion is told."""

    x: Fraction
    y: Fraction
    unit: str

    def per(self, unit: str) -> tuple[Fraction, Fraction]:
        """The same in another unit."""
        if "ratio" in (self.unit, unit):
            return self.x, self.y
        factor = _PER_METRE[self.unit] / _PER_METRE[unit]
        return self.x * factor, self.y * factor

    @property
    def turned(self) -> Density:
        """Of a picture whose sides change places."""
        return Density(self.y, self.x, self.unit)


@dataclass(slots=True)
class Extras:
    """What was found.

    Attributes:
        resources: Photoshop's, IPTC among them.
        comments: JPEG's and GIF's, in the bytes of an encoding that nobody tells.
        chunks: a PNG's texts and its time, type and content of each.
        density: the resolution, or None.
        dropped: what is not kept.
    """

    resources: photoshop.Resources = field(default_factory=dict)
    comments: list[bytes] = field(default_factory=list)
    chunks: list[tuple[bytes, bytes]] = field(default_factory=list)
    density: Density | None = None
    dropped: list[str] = field(default_factory=list)

    def forget_place(self) -> None:
        """Take out what mentions GPS."""
        self.resources = photoshop.without_place(self.resources, self.dropped)
        comments = [comment for comment in self.comments if not mentions_gps(comment)]
        chunks = [chunk for chunk in self.chunks if not _chunk_mentions_gps(*chunk)]
        if len(comments) < len(self.comments):
            self.dropped.append("comment: speaks of GPS")
        if len(chunks) < len(self.chunks):
            self.dropped.append("text: speaks of GPS")
        self.comments, self.chunks = comments, chunks


def _chunk_mentions_gps(name: bytes, content: bytes) -> bool:
    """Of a text that cannot be read it is supposed."""
    if mentions_gps(content):
        return True
    text = text_of(name, content) if name in _TEXT_CHUNKS else ("", "")
    return text is None or mentions_gps(text[1].encode())


def text_of(name: bytes, content: bytes) -> tuple[str, str] | None:
    """Keyword and text of a PNG's chunk of text; None where it cannot be read or is longer than `LONGEST_TEXT`."""
    keyword, _, rest = content.partition(b"\0")
    try:
        match name:
            case b"tEXt":
                text = rest.decode("latin-1")
            case b"zTXt":
                text = unpacked(rest[1:]).decode("latin-1")
            case b"iTXt":
                is_packed, (_, _, body) = rest[0], rest[2:].split(b"\0", 2)
                text = (unpacked(body) if is_packed else body).decode("utf-8", "replace")
            case _:
                return None
    except (ValueError, IndexError):
        return None
    return keyword.decode("latin-1"), text


def unpacked(packed: bytes) -> bytes:
    """What zlib has packed.

    Raises:
        ValueError: it is not, not whole, or longer than `LONGEST_TEXT`.
    """
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, LONGEST_TEXT)
    except zlib.error as error:
        raise ValueError("not packed by zlib") from error
    if not unpacking.eof:
        raise ValueError("not whole, or too long")
    return content


def raw_profile(content: bytes) -> bytes | None:
    """A block that was written as hexadecimal text into a PNG's chunk `Raw profile type ...`, or None."""
    with contextlib.suppress(ValueError):
        _, _, rest = content.lstrip().partition(b"\n")
        length, _, digits = rest.lstrip().partition(b"\n")
        found = bytes.fromhex(digits.decode("ascii"))
        return found[: int(length[:12])] or None
    return None


def as_raw_profile(kind: str, block: bytes) -> bytes:
    """The content of a chunk `zTXt` that holds a block as hexadecimal text."""
    text = f"\n{kind}\n{len(block):8}\n{block.hex()}\n"
    return f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text.encode())


def density_of_jfif(content: bytes) -> Density | None:
    """From the content of the segment `JFIF`; None where it tells no more than square pixels."""
    if len(content) < 12:
        return None
    unit, x, y = struct.unpack_from(">BHH", content, 7)
    if not x or not y or unit > 2 or (unit == 0 and x == y):
        return None
    return Density(Fraction(x), Fraction(y), ("ratio", "inch", "cm")[unit])


def density_of_phys(content: bytes) -> Density | None:
    """From the content of a PNG's chunk `pHYs`."""
    if len(content) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", content)
    return Density(Fraction(x), Fraction(y), "metre" if unit == 1 else "ratio") if x and y else None


def density_of_tags(entries: Mapping[int, Entry], order: str) -> Density | None:
    """From TIFF's tags, in a byte order as `struct` names it; inches where no unit is told."""
    try:
        x, y = (Fraction(*struct.unpack(order + "II", entries[tag].content)) for tag in RESOLUTION[:2])
        number = (
            struct.unpack(order + "H", entries[RESOLUTION[2]].content)[0] if RESOLUTION[2] in entries else 2
        )
    except (KeyError, struct.error, ZeroDivisionError):
        return None
    unit = {number: unit for unit, number in TIFF_UNITS.items()}.get(number)
    return Density(x, y, unit) if unit and x and y else None
