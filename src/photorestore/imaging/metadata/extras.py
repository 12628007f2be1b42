"""Hold what a file says of its picture besides EXIF, XMP and ICC: IPTC, comments, texts, resolution."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from photorestore.imaging.metadata import photoshop
from photorestore.imaging.metadata.change import mentions_gps
from photorestore.imaging.metadata.ifd import Entry

LONGEST_TEXT = 4 << 20
"""Bytes of a PNG's packed texts that are unpacked, all together."""
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
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
        """Return pixels across and down in another unit."""
        if "ratio" in (self.unit, unit):
            return self.x, self.y
        factor = _PER_METRE[self.unit] / _PER_METRE[unit]
        return self.x * factor, self.y * factor

    def is_near(self, other: Density) -> bool:
        """Return whether another density is the same, after rounding to PNG's whole pixels per metre."""
        if "ratio" in (self.unit, other.unit):
            return self == other
        ours, theirs = self.per("metre"), other.per("metre")
        return all(round(value) == round(of_other) for value, of_other in zip(ours, theirs, strict=True))

    @property
    def transposed(self) -> Density:
        """Return the density of a picture whose sides are exchanged."""
        return Density(self.y, self.x, self.unit)


@dataclass(frozen=True, slots=True)
class Text:
    """A chunk of a PNG.

    Attributes:
        kind: its type.
        content: as it is stored.
        keyword, text: what it says; `text` is None where that cannot be read.
    """

    kind: bytes
    content: bytes
    keyword: str
    text: str | None

    def mentions_gps(self) -> bool:
        """Return whether it mentions a place; texts that cannot be read count as if they did."""
        is_unknown = self.text is None and self.kind in TEXT_CHUNKS
        return is_unknown or mentions_gps(self.content) or mentions_gps((self.text or "").encode())


@dataclass(slots=True)
class Extras:
    """What was found.

    Attributes:
        resources: Photoshop's, IPTC among them.
        comments: JPEG's and GIF's, as bytes of unknown encoding.
        texts: a PNG's, and its time.
        density: the resolution, or None.
        dropped: what is not kept.
    """

    resources: photoshop.Resources = field(default_factory=dict)
    comments: list[bytes] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    density: Density | None = None
    dropped: list[str] = field(default_factory=list)

    def forget_place(self) -> None:
        """Take out what mentions GPS."""
        self.resources = photoshop.without_place(self.resources, self.dropped)
        comments = [comment for comment in self.comments if not mentions_gps(comment)]
        texts = [text for text in self.texts if not text.mentions_gps()]
        if len(comments) < len(self.comments):
            self.dropped.append("comment: speaks of GPS")
        if len(texts) < len(self.texts):
            self.dropped.append("text: speaks of GPS")
        self.comments, self.texts = comments, texts


def read_text(kind: bytes, content: bytes, longest: int = LONGEST_TEXT) -> Text:
    """Read a PNG's chunk of text; packed text is read up to `longest` bytes."""
    keyword, _, rest = content.partition(b"\0")
    text = None
    with contextlib.suppress(ValueError, IndexError):
        match kind:
            case b"tEXt":
                text = rest.decode("latin-1")
            case b"zTXt":
                text = _unpacked(rest[1:], longest).decode("latin-1")
            case b"iTXt":
                is_packed, (_, _, body) = rest[0], rest[2:].split(b"\0", 2)
                text = (_unpacked(body, longest) if is_packed else body).decode("utf-8", "replace")
    return Text(kind, content, keyword[:79].decode("latin-1"), text)


def _unpacked(packed: bytes, longest: int) -> bytes:
    """What zlib has packed.

    Raises:
        ValueError: it is not, not whole, or longer.
    """
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, max(longest, 1))
    except zlib.error as error:
        raise ValueError("not packed by zlib") from error
    if not unpacking.eof:
        raise ValueError("not whole, or too long")
    return content


def raw_profile(text: Text) -> bytes | None:
    """Return a block that was written as hexadecimal text into a PNG's chunk `Raw profile type ...`, or None."""
    with contextlib.suppress(ValueError):
        _, _, rest = (text.text or "").lstrip().partition("\n")
        length, _, digits = rest.lstrip().partition("\n")
        found = bytes.fromhex(digits)
        return found[: int(length[:12])] or None
    return None


def as_raw_profile(kind: str, block: bytes) -> bytes:
    """Return the content of a chunk `zTXt` that holds a block as hexadecimal text."""
    text = f"\n{kind}\n{len(block):8}\n{block.hex()}\n"
    return f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text.encode())


def density_of_jfif(content: bytes) -> Density | None:
    """Return the density in the content of the segment `JFIF`; None where it says only that pixels are square."""
    if len(content) < 12:
        return None
    unit, x, y = struct.unpack_from(">BHH", content, 7)
    if not x or not y or unit > 2 or (unit == 0 and x == y):
        return None
    return Density(Fraction(x), Fraction(y), ("ratio", "inch", "cm")[unit])


def density_of_phys(content: bytes) -> Density | None:
    """Return the density in the content of a PNG's chunk `pHYs`."""
    if len(content) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", content)
    return Density(Fraction(x), Fraction(y), "metre" if unit == 1 else "ratio") if x and y else None


def density_of_tags(entries: Mapping[int, Entry], order: str) -> Density | None:
    """Return the density in TIFF's tags, in a byte order as `struct` names it; inches where no unit is told."""
    try:
        x, y = (Fraction(*struct.unpack(order + "II", entries[tag].content)) for tag in RESOLUTION[:2])
        number = (
            struct.unpack(order + "H", entries[RESOLUTION[2]].content)[0] if RESOLUTION[2] in entries else 2
        )
    except (KeyError, struct.error, ZeroDivisionError):
        return None
    unit = {number: unit for unit, number in TIFF_UNITS.items()}.get(number)
    return Density(x, y, unit) if unit and x and y else None
