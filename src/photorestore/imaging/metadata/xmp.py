"""Bring XMP up to date for the result: what refers to pixels is recomputed or goes, the rest stays as it is."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from xml.parsers import expat

from photorestore.imaging.metadata.change import Change, mentions_gps
from photorestore.imaging.metadata.regions import (
    AREA,
    BOUNDARY,
    RECTANGLE,
    UNIT,
    UnknownBoundaryError,
    moved_area,
    moved_boundary,
)
from photorestore.imaging.metadata.xmp_places import Edit, Places, Value, edited

LONGEST = 4 << 20
"""Bytes of a packet that are parsed: far above what cameras and editors write, and a second's work or two."""

_ORIENTATION = "tiff:Orientation"
_WIDTHS = ("tiff:ImageWidth", "exif:PixelXDimension")
_HEIGHTS = ("tiff:ImageLength", "exif:PixelYDimension")
_APPLIES = "mwg-rs:AppliedToDimensions"
_DIMENSIONS = ("stDim:w", "stDim:h")
_PANORAMA = tuple(
    f"GPano:{name}Pixels"
    for name in ("FullPanoWidth", "FullPanoHeight", "CroppedAreaImageWidth", "CroppedAreaImageHeight",
                 "CroppedAreaLeft", "CroppedAreaTop")
)  # fmt: skip
_WANTED = frozenset(
    (_ORIENTATION, *_WIDTHS, *_HEIGHTS, *AREA, *_DIMENSIONS, RECTANGLE, *BOUNDARY, *_PANORAMA)
)

_GONE = {
    "xmp:Thumbnails": "thumbnail: shows the picture as it was",
    "xap:Thumbnails": "thumbnail: shows the picture as it was",
    "xmpGImg:image": "thumbnail: shows the picture as it was",
    "xmpNote:HasExtendedXMP": "",
    "hdrgm:*": "gain map: not kept",
    "HDRGainMap:*": "gain map: not kept",
    "GCamera:Motion*": "motion video: not kept",
    "GCamera:Micro*": "motion video: not kept",
    "OpCamera:MotionPhoto*": "motion video: not kept",
    "Container:Directory": "further pictures: not kept",
    "GContainer:Directory": "further pictures: not kept",
}
"""Properties that claim what no result has, by name or, with a star, by its beginning; and what is reported."""
_GONE_WHEN_REORIENTED = {"GPano:*": "panorama: not brought up to date for a turned picture"}
_REGIONS = {"Iptc4xmpExt:ImageRegion": "regions: IPTC's, of a kind that is not brought up to date"}
_GONE_WHEN_MOVED = {
    "acdsee-rs:Regions": "regions: ACDSee's are not brought up to date",
    "exif:SubjectArea": "subject area: not brought up to date",
    "exif:SubjectLocation": "subject area: not brought up to date",
    "GDepth:*": "depth map: not brought up to date",
    "GImage:*": "further pictures: not kept",
}
_NAME_OF_PLACE = re.compile(
    r"(?i:gps|latitude|longitude|altitude|^geo:|:(?:lat|long?|lng)$)|[a-z](?:Lat|Lon|Lng|Alt)$"
)
"""Of a property: in full, W3C's (`geo:lat`), or as drones write it (`LRFTargetLat`)."""
_MAY_TELL_PLACE = re.compile(
    rb"(?i:gps|latitude|longitude|altitude|geo:|:lat|:lon|:lng)|[a-z](?:Lat|Lon|Lng|Alt)[^a-zA-Z]"
)
_TOLD_ORIENTATION = re.compile(
    rb"tiff:Orientation[ \t\r\n]*(?:=[ \t\r\n]*[\"']|>)[ \t\r\n]*([1-8])[ \t\r\n]*[\"'<]"
)


def orientation_in(block: bytes | None) -> int | None:
    """Return the orientation, 1 to 8, that an XMP packet tells, or None."""
    found = _TOLD_ORIENTATION.search(block or b"")
    return int(found[1]) if found else None


def rewrite_xmp(block: bytes, change: Change, dropped: list[str]) -> bytes | None:
    """Return the XMP packet for the upright picture, perhaps of another size; None if it has to go.

    It has to go if it needs a change but is too long, is not well-formed UTF-8, or declares a document type; and if it
    still mentions GPS although the place is not to be told. What needs no change stays as it is.

    Args:
        dropped: gets the names of what is lost.
    """
    gone = _gone(change)
    if not _needs_change(block, gone, change):
        return block
    try:
        if len(block) > LONGEST:
            raise ValueError("too long")
        said = set[str]()
        try:
            edits = _edits(block, gone, change, said)
        except UnknownBoundaryError:
            edits = _edits(block, gone | _REGIONS, change, said)
        rewritten = edited(block, edits)
    except (expat.ExpatError, ValueError):
        dropped.append("xmp: cannot be carried over")
        return None
    dropped += [f"xmp: {what}" for what in sorted(said) if what]
    if not change.gps and mentions_gps(rewritten):
        dropped.append("xmp: speaks of GPS")
        return None
    return rewritten


def _gone(change: Change) -> dict[str, str]:
    reoriented = _GONE_WHEN_REORIENTED if change.is_reoriented else {}
    return _GONE | reoriented | ({} if change.is_as_stored else _GONE_WHEN_MOVED)


def _needs_change(block: bytes, gone: dict[str, str], change: Change) -> bool:
    if any(name.rstrip("*").encode() in block for name in (*_WANTED, *gone)):
        return True
    return not change.gps and _MAY_TELL_PLACE.search(block.replace(b"\0", b"")) is not None


def _is_gone(name: str, gone: dict[str, str], change: Change, said: set[str]) -> bool:
    for pattern, what in gone.items():
        if name == pattern or (pattern[-1] == "*" and name.startswith(pattern[:-1])):
            said.add(what)
            return True
    return not (change.gps or name.startswith("xmlns:")) and _NAME_OF_PLACE.search(name) is not None


def _edits(block: bytes, gone: dict[str, str], change: Change, said: set[str]) -> list[Edit]:
    places = Places(block, _WANTED, lambda name: _is_gone(name, gone, change, said)).find()
    return places.edits + _updates(block, places.values, change)


def _updates(block: bytes, values: list[Value], change: Change) -> list[Edit]:
    """Return the edits that replace numbers."""
    texts = {value: block[value.start : value.end].decode() for value in values}
    new = {value: _number(value, text, change) for value, text in texts.items()}
    owned = defaultdict[int, dict[str, Value]](dict)
    for value in values:
        owned[value.owners[0]].setdefault(value.name, value)
    told = {owner: {name: texts[value] for name, value in group.items()} for owner, group in owned.items()}
    as_told = _as_told(texts, change)
    for owner, group in owned.items():
        around = next(iter(group.values())).owners
        boundary = next((told[other] for other in around if UNIT in told.get(other, ())), {})
        moved = moved_area(told[owner], as_told) | moved_boundary(told[owner], boundary, change)
        new |= {group[name]: text for name, text in moved.items()}
    return [(value.start, value.end, text.encode()) for value, text in new.items() if text is not None]


def _number(value: Value, text: str, change: Change) -> str | None:
    """Return the new value of a property that does not depend on others; None if it stays."""
    if not (text.isascii() and text.isdigit()):
        return None
    name = value.name
    is_of_region = _APPLIES in value.within
    if name == _ORIENTATION:
        return "1"
    if name in _WIDTHS or (name == _DIMENSIONS[0] and is_of_region):
        return str(change.width)
    if name in _HEIGHTS or (name == _DIMENSIONS[1] and is_of_region):
        return str(change.height)
    return str(round(int(text[:9]) * change.factor)) if name in _PANORAMA else None


def _as_told(texts: dict[Value, str], change: Change) -> Change:
    """Return the change from the picture that regions refer to, by its size: for some writers the upright one."""
    sides = (change.source_width, change.source_height)
    told = {value.name: text for value, text in texts.items() if _APPLIES in value.within}
    if change.orientation < 5 or [told.get(name) for name in _DIMENSIONS] != [
        str(side) for side in sides[::-1]
    ]:
        return change
    return replace(change, orientation=1, source_width=sides[1], source_height=sides[0])
