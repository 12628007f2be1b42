"""Find where values stand in an XMP packet, by one pass of a parser that expands no entities."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from xml.parsers import expat

_PADDING = b" \t\r\n\0"
_BLANKS = re.compile(rb"[ \t\r\n]*")
_TAG_NAME = re.compile(rb"[^ \t\r\n/>]*")
_OWNERS = 6
"""How many owners of a value are noted."""

Edit = tuple[int, int, bytes]
"""Start and end of the bytes to replace, and their replacement."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a property is set to, as an attribute or as the text of an element.

    Attributes:
        name: the property's, with its usual prefix.
        owners: the numbers of the element whose property it is and of those around it, the innermost first.
        within: the names of that element and of its parent.
        start, end: where it stands, without blanks.
    """

    name: str
    owners: tuple[int, ...]
    within: tuple[str, str]
    start: int
    end: int


class Places:
    """The values of the properties wanted, and the edits that take out others, in the order of the packet."""

    def __init__(self, block: bytes, wanted: Collection[str], is_unwanted: Callable[[str], bool]) -> None:
        self.values = list[Value]()
        self.edits = list[Edit]()
        self._block, self._wanted, self._is_unwanted = block, wanted, functools.cache(is_unwanted)
        # Writers pad packets with blanks and zeros, which are no XML before and behind it.
        self._offset = len(block) - len(block.lstrip(_PADDING))
        self._open: list[tuple[int, str]] = [(-1, ""), (-1, "")]
        self._count = 0
        self._leaving = ("", 0, 0)  # name, start, and depth of elements of that name
        self._parser = expat.ParserCreate("utf-8")
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._on_start
        self._parser.EndElementHandler = self._on_end
        self._parser.StartDoctypeDeclHandler = _refuse

    def find(self) -> Places:
        """Parse the packet.

        Raises:
            expat.ExpatError: it is not well-formed.
            ValueError: it declares a document type.
        """
        self._parser.Parse(self._block.strip(_PADDING), True)
        return self

    def _position(self) -> int:
        return self._offset + self._parser.CurrentByteIndex

    def _on_start(self, name: str, attributes: list[str]) -> None:
        if self._is_unwanted(name):
            self._leave_out(name, self._position())
            return
        self._count += 1
        if name in self._wanted or any(
            other in self._wanted or self._is_unwanted(other) for other in attributes[::2]
        ):
            self._look_into(name, self._position())
        self._open.append((self._count, name))

    def _on_end(self, _: str) -> None:
        self._open.pop()

    def _look_into(self, element: str, start: int) -> None:
        """Note a tag's attributes, and the text that follows the tag of an element that is wanted."""
        owners = tuple(number for number, _ in self._open[: -_OWNERS - 1 : -1])
        parent = self._open[-1][1]
        attributes, end = apart(self._block, start)
        for name, name_start, value_start, value_end in attributes:
            if self._is_unwanted(name):
                self.edits.append((name_start, value_end + 1, b""))
            elif name in self._wanted:
                inner = (self._count, *owners[:-1])
                self._note(name, inner, (element, parent), value_start, value_end)
        if element in self._wanted and not _is_empty(self._block, end):
            within = (parent, self._open[-2][1])
            self._note(element, owners, within, end, self._block.index(b"<", end))

    def _note(
        self, name: str, owners: tuple[int, ...], within: tuple[str, str], start: int, end: int
    ) -> None:
        text = self._block[start:end]
        start, end = start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
        if start < end:
            self.values.append(Value(name, owners, within, start, end))

    def _leave_out(self, name: str, start: int) -> None:
        """Take an element out, with all that it holds."""
        _, end = apart(self._block, start)
        if _is_empty(self._block, end):
            self.edits.append((start, end, b""))
            self._open.append((0, name))
            return
        self._leaving = (name, start, 1)
        self._parser.StartElementHandler = self._on_inner_start
        self._parser.EndElementHandler = self._on_inner_end

    def _on_inner_start(self, name: str, _: list[str]) -> None:
        leaving, start, depth = self._leaving
        self._leaving = (leaving, start, depth + (name == leaving))

    def _on_inner_end(self, name: str) -> None:
        leaving, start, depth = self._leaving
        self._leaving = (leaving, start, depth - (name == leaving))
        if self._leaving[2]:
            return
        end = self._block.index(b">", self._position()) + 1
        self.edits.append((start, end, b""))
        self._parser.StartElementHandler = self._on_start
        self._parser.EndElementHandler = self._on_end


def edited(block: bytes, edits: list[Edit]) -> bytes:
    """Apply all edits to the packet; they may come in any order and do not overlap."""
    pieces, done = [], 0
    for start, end, replacement in sorted(edits):
        pieces += [block[done:start], replacement]
        done = end
    return b"".join([*pieces, block[done:]])


def apart(block: bytes, start: int) -> tuple[list[tuple[str, int, int, int]], int]:
    """Split a well-formed start tag at `start` into its attributes, and find its end.

    Returns:
        Of each attribute its name, where it begins (with the blanks before it), where its value begins and ends; and
        where the tag ends.
    """
    attributes = list[tuple[str, int, int, int]]()
    position = _end_of(_TAG_NAME, block, start + 1)
    while True:
        before = position
        position = _end_of(_BLANKS, block, position)
        if block[position] in b"/>":
            return attributes, block.index(b">", position) + 1
        equals = block.index(b"=", position)
        name = block[position:equals].strip(_PADDING).decode()
        opening = _end_of(_BLANKS, block, equals + 1)
        closing = block.index(block[opening : opening + 1], opening + 1)
        attributes.append((name, before, opening + 1, closing))
        position = closing + 1


def _is_empty(block: bytes, end: int) -> bool:
    """Return whether the tag that ends there is a whole element."""
    return block[end - 2 : end] == b"/>"


def _end_of(pattern: re.Pattern[bytes], block: bytes, start: int) -> int:
    """Return where a run of bytes, which may be empty, ends."""
    found = pattern.match(block, start)
    return found.end() if found else start


def _refuse(*_: object) -> None:
    raise ValueError("XMP has no document type")
