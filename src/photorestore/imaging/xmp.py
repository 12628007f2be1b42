"""XMP, brought up to date for the result by one pass of a parser that is given no entities."""

from __future__ import annotations

import re
from xml.parsers import expat

LONGEST = 4 << 20
"""Bytes of a packet that are parsed: far above what cameras and editors write, and about a second's work."""

_ORIENTATION = "tiff:Orientation"
_WIDTHS = ("tiff:ImageWidth", "exif:PixelXDimension")
_HEIGHTS = ("tiff:ImageLength", "exif:PixelYDimension")
_THUMBNAILS = ("xmp:Thumbnails", "xap:Thumbnails")
_NAMES = tuple(name.encode() for name in (_ORIENTATION, *_WIDTHS, *_HEIGHTS, *_THUMBNAILS))
_PADDING = b" \t\r\n\0"
_BLANKS = re.compile(rb"[ \t\r\n]*")
_DIGITS = re.compile(rb"[0-9]*")
_TAG_NAME = re.compile(rb"[^ \t\r\n/>]*")


def rewrite_xmp(block: bytes, width: int, height: int, *, gps: bool) -> bytes | None:
    """The XMP packet for a picture that was turned and may have another size; None if it has to go.

    Without `gps` a packet that says anything of GPS goes as a whole. So does one that would have to be changed but
    is too long, is no well-formed UTF-8, or declares a document type. What need not be changed stays as it is.
    """
    if not gps and b"GPS" in block.replace(b"\0", b"").upper():
        return None
    if not any(name in block for name in _NAMES):
        return block
    if len(block) > LONGEST:
        return None
    values = {_ORIENTATION: 1} | dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height)
    try:
        return _Editor(block, {name: str(value).encode() for name, value in values.items()}).edited()
    except (expat.ExpatError, ValueError):
        return None


class _Editor:
    """Notes while the parser runs which bytes give way to which others, in the order of the packet."""

    def __init__(self, block: bytes, values: dict[str, bytes]) -> None:
        self._block = block
        self._values = values
        self._edits: list[tuple[int, int, bytes]] = []
        # Writers pad packets with blanks and zeros, which are no XML before and behind it.
        self._offset = len(block) - len(block.lstrip(_PADDING))
        self._thumbnails = ("", 0)  # name and start of those that are being left out
        self._depth = 0  # of elements of that name
        self._parser = expat.ParserCreate("utf-8")
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._on_start
        self._parser.StartDoctypeDeclHandler = _refuse

    def edited(self) -> bytes:
        """The packet with all changes.

        Raises:
            expat.ExpatError: it is not well-formed.
            ValueError: it declares a document type.
        """
        self._parser.Parse(self._block.strip(_PADDING), True)
        pieces, done = [], 0
        for start, end, replacement in self._edits:
            pieces += [self._block[done:start], replacement]
            done = end
        return b"".join([*pieces, self._block[done:]])

    def _position(self) -> int:
        return self._offset + self._parser.CurrentByteIndex

    def _on_start(self, name: str, attributes: list[str]) -> None:
        if name in _THUMBNAILS:
            self._leave_out(name, self._position())
        elif name in self._values or not self._values.keys().isdisjoint(attributes[::2]):
            self._change(name, self._position())

    def _change(self, element: str, start: int) -> None:
        """Change the numbers in a tag's attributes, and the one that follows the tag of an element that is one."""
        attributes, end = _apart(self._block, start)
        for name, value_start in attributes:
            self._change_number(name, value_start)
        if not _is_empty(self._block, end):
            self._change_number(element, end)

    def _change_number(self, name: str, start: int) -> None:
        """Put the value of `name` in place of the number, if one stands at `start`, maybe after blanks."""
        start = _end_of(_BLANKS, self._block, start)
        end = _end_of(_DIGITS, self._block, start)
        if name in self._values and end > start:
            self._edits.append((start, end, self._values[name]))

    def _leave_out(self, name: str, start: int) -> None:
        """Take an element out, with all that it holds."""
        _, end = _apart(self._block, start)
        if _is_empty(self._block, end):
            self._edits.append((start, end, b""))
            return
        self._thumbnails, self._depth = (name, start), 1
        self._parser.StartElementHandler = self._on_inner_start
        self._parser.EndElementHandler = self._on_inner_end

    def _on_inner_start(self, name: str, _: list[str]) -> None:
        self._depth += name == self._thumbnails[0]

    def _on_inner_end(self, name: str) -> None:
        self._depth -= name == self._thumbnails[0]
        if self._depth:
            return
        end = self._block.index(b">", self._position()) + 1
        self._edits.append((self._thumbnails[1], end, b""))
        self._parser.StartElementHandler = self._on_start
        self._parser.EndElementHandler = None


def _apart(block: bytes, start: int) -> tuple[list[tuple[str, int]], int]:
    """Attributes of a well-formed start tag at `start`: names and where values begin; and where the tag ends."""
    attributes = list[tuple[str, int]]()
    position = _end_of(_TAG_NAME, block, start + 1)
    while True:
        position = _end_of(_BLANKS, block, position)
        if block[position] in b"/>":
            return attributes, block.index(b">", position) + 1
        equals = block.index(b"=", position)
        name = block[position:equals].strip(_PADDING).decode()
        opening = _end_of(_BLANKS, block, equals + 1)
        attributes.append((name, opening + 1))
        position = block.index(block[opening : opening + 1], opening + 1) + 1


def _is_empty(block: bytes, end: int) -> bool:
    """Whether the tag that ends there is a whole element."""
    return block[end - 2 : end] == b"/>"


def _end_of(pattern: re.Pattern[bytes], block: bytes, start: int) -> int:
    """Where a run of bytes that may be empty ends."""
    found = pattern.match(block, start)
    return found.end() if found else start


def _refuse(*_: object) -> None:
    raise ValueError("XMP has no document type")
