"""Read EXIF from the upload, and bring it up to date for the result.

Anybody may have written it, so any reading may fail; what cannot be read is left out and reported. Entries that
need no change keep their type and bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from photorestore.imaging.metadata.change import Change, mentions_gps
from photorestore.imaging.metadata.ifd import (
    EXIF,
    GPS,
    INTEROP,
    Directory,
    Entry,
    as_block,
    order_of,
    read_directory,
)

LONGEST_EXIF = 4 << 20
"""Bytes of the longest block that is read; JPEG has room for a 64th of this."""
PREFIX = b"Exif\0\0"
ORIENTATION = 274
MAKER_NOTE = 37500
SHORT, LONG, RATIONAL = 3, 4, 5

_WIDTHS, _HEIGHTS = (256, 40962), (257, 40963)
_SUBJECT_AREA, _SUBJECT_LOCATION = 37396, 41492
_COLOUR_SPACE, _INTEROP_INDEX = 40961, 1
_RESOLUTION, _FOCAL_PLANE_RESOLUTION = (282, 283), (41486, 41487)

LAYOUT = frozenset(
    (254, 255, *range(256, 260), 262, 263, 264, 265, 266, 273, ORIENTATION, *range(277, 282), 284, 288, 289, 290, 291,
     292, 293, 297, 301, *range(317, 326), 330, *range(332, 337), *range(338, 348), 351, *range(512, 522),
     *range(529, 533), 34675)
)  # fmt: skip
"""Tags of a TIFF's first directory that say how its pixels are stored."""
_GEOGRAPHIC = frozenset((33550, 33920, 33922, 34264, *range(34735, 34738), 42112, 50844))
"""GeoTIFF's and GDAL's, which say what place on earth a pixel shows."""
_ELSEWHERE = frozenset((700, 33723, 34377, 37724))
"""XMP, IPTC and Photoshop's resources, which are handled apart, and its layers, which `tiff.layout` names."""

_MOVABLE_NOTES = (
    b"Nikon\0\2", b"FUJIFILM", b"Apple iOS\0", b"OLYMPUS\0", b"OM SYSTEM\0", b"PENTAX \0", b"HDRP",
)  # fmt: skip
"""Beginnings of maker notes that may be moved: they count places from their own start, and state their byte order."""


@dataclass(slots=True)
class Exif:
    """A decoded block: its first directory, and its byte order as `struct` names it."""

    directory: Directory = field(default_factory=Directory)
    order: str = "<"

    def block(self) -> bytes:
        """Return the block with its prefix; a maker note with places counted from the block's start keeps its own."""
        note = self.details.get(MAKER_NOTE)
        return PREFIX + as_block(self.directory, self.order, note if _is_bound(note) else None)

    @property
    def is_empty(self) -> bool:
        """Return whether it holds nothing."""
        return not self.directory.entries and not self.directory.below

    @property
    def details(self) -> dict[int, Entry]:
        """Return the entries of the directory that EXIF adds to TIFF's."""
        return self.directory.below.get(EXIF, Directory()).entries

    def numbers(self, kind: int, *values: int) -> Entry:
        """Return an entry of SHORT, LONG or RATIONAL numbers, the last as numerators and denominators."""
        return Entry(kind, struct.pack(f"{self.order}{len(values)}{'H' if kind == SHORT else 'I'}", *values))


def plain_block(block: bytes) -> bytes:
    """Return an EXIF block without its prefix, which some writers repeat."""
    return block.removeprefix(PREFIX).removeprefix(PREFIX)


def orientation_told(block: bytes | None) -> int | None:
    """Return the orientation, 1 to 8, in an EXIF block or a TIFF; None where it is missing or out of range."""
    try:
        content = plain_block(block or b"")
        order = order_of(content)
        entry = read_directory(content, only=frozenset((ORIENTATION,)))[0].entries[ORIENTATION]
        (value,) = struct.unpack(order + {SHORT: "H", LONG: "I"}[entry.kind], entry.content)
    except (ValueError, KeyError, struct.error):
        return None
    return value if 1 <= value <= 8 else None


def exif_of_tiff(
    upload: bytes, start: int, dropped: list[str], *, without: frozenset[int] = frozenset()
) -> bytes | None:
    """Return an EXIF block of what a TIFF's directory says of the picture, not of its storage; None if that is nothing.

    Args:
        start: where the page's directory stands.
        dropped: gets the names of what is lost.
        without: further tags that are left out.
    """
    try:
        directory, left_out = read_directory(upload, start=start, without=LAYOUT | _ELSEWHERE | without)
        exif = Exif(directory, order_of(upload))
    except ValueError:
        return None
    _name_left_out(left_out, dropped)
    directory.is_followed = False
    settle_maker_note(exif, dropped)
    return None if exif.is_empty else exif.block()


def rewrite_exif(block: bytes, change: Change, dropped: list[str]) -> Exif | None:
    """Return EXIF for the upright picture, perhaps of another size; None if it cannot be read or nothing is left.

    Orientation becomes 1, the pixel dimensions are set where they stood, the thumbnail goes; where the place is not
    to be told, the GPS directory, the maker note and whatever else mentions GPS go too.

    Args:
        dropped: gets the names of what is lost.
    """
    try:
        if len(block) > LONGEST_EXIF:
            raise ValueError("too long")
        content = plain_block(block)
        directory, left_out = read_directory(content)
        exif = Exif(directory, order_of(content))
    except ValueError:
        dropped.append("exif: cannot be carried over")
        return None
    _name_left_out(left_out, dropped)
    if directory.is_followed:
        dropped.append("exif: thumbnail: shows the picture as it was")
    if not change.gps:
        _forget_place(directory, dropped)
    if directory.entries.keys() & _GEOGRAPHIC and not (change.gps and change.is_as_stored):
        _forget_map(directory, change, dropped)
    _update(exif, change)
    return None if exif.is_empty else exif


def settle_maker_note(exif: Exif, dropped: list[str]) -> None:
    """Leave out a maker note that would break if it stood elsewhere."""
    if _is_bound(exif.details.get(MAKER_NOTE)):
        del exif.details[MAKER_NOTE]
        dropped.append("exif: maker note: it would point to other places")


def _is_bound(note: Entry | None) -> bool:
    return note is not None and len(note.content) > 4 and not note.content.startswith(_MOVABLE_NOTES)


def _name_left_out(tags: list[int], dropped: list[str]) -> None:
    if tags:
        dropped.append(f"exif: cannot be read: tags {', '.join(f'0x{tag:04x}' for tag in tags[:16])}")


def _forget_place(directory: Directory, dropped: list[str]) -> None:
    """Take out what tells where the picture was taken, or may: only its maker can read a maker note."""
    directory.below.pop(GPS, None)
    if directory.below.get(EXIF, Directory()).entries.pop(MAKER_NOTE, None):
        dropped.append("exif: maker note: may tell the place")
    for part in (directory, *directory.below.values()):
        for tag in [tag for tag, entry in part.entries.items() if mentions_gps(entry.content)]:
            del part.entries[tag]
            dropped.append(f"exif: tag 0x{tag:04x}: speaks of GPS")


def _forget_map(directory: Directory, change: Change, dropped: list[str]) -> None:
    """Take out what tells the geographic place of each pixel."""
    for tag in directory.entries.keys() & _GEOGRAPHIC:
        del directory.entries[tag]
    why = "not brought up to date" if change.gps else "tell the place"
    dropped.append(f"exif: geographic coordinates: {why}")


def _update(exif: Exif, change: Change) -> None:
    entries, details = exif.directory.entries, exif.details
    sizes = dict.fromkeys(_WIDTHS, change.width) | dict.fromkeys(_HEIGHTS, change.height)
    for part in (entries, details):
        part |= {tag: exif.numbers(LONG, size) for tag, size in sizes.items() if tag in part}
    if ORIENTATION in entries:
        entries[ORIENTATION] = exif.numbers(SHORT, 1)
    if change.orientation >= 5:
        for part, x, y in ((entries, *_RESOLUTION), (details, *_FOCAL_PLANE_RESOLUTION)):
            if x in part and y in part:
                part[x], part[y] = part[y], part[x]
    for tag in (_SUBJECT_AREA, _SUBJECT_LOCATION):
        if tag in details:
            details[tag] = _moved(details[tag], exif, change)
    if change.is_converted:
        _say_srgb(exif)


def _moved(entry: Entry, exif: Exif, change: Change) -> Entry:
    """A point, a circle or a rectangle (centre and size) in pixels, in the result."""
    count = len(entry.content) // 2
    if entry.kind != SHORT or not 2 <= count <= 4:
        return entry
    x, y, *size = struct.unpack(f"{exif.order}{count}H", entry.content)
    if len(size) == 1:
        return exif.numbers(SHORT, *_pixels(change.area_px(x, y)[:2]), *_pixels([size[0] * change.factor]))
    return exif.numbers(SHORT, *_pixels(change.area_px(x, y, *size)[:count]))


def _pixels(values: Sequence[float]) -> list[int]:
    return [min(max(round(value), 0), 65535) for value in values]


def _say_srgb(exif: Exif) -> None:
    """Where EXIF names the colour space, let it name sRGB."""
    if _COLOUR_SPACE in exif.details:
        exif.details[_COLOUR_SPACE] = exif.numbers(SHORT, 1)
    details = exif.directory.below.get(EXIF, Directory())
    interoperable = details.below.get(INTEROP, Directory()).entries
    if _INTEROP_INDEX in interoperable:
        interoperable[_INTEROP_INDEX] = Entry(2, b"R98\0")
