"""Join XMP that is too long for one segment of a JPEG when it is read, and split it when it is written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from xml.parsers import expat

from photorestore.imaging.metadata.xmp import LONGEST
from photorestore.imaging.metadata.xmp_places import apart

MAIN_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_PREFIX = b"http://ns.adobe.com/xmp/extension/\0"
_GUID_BYTES = 32
_PIECE_BYTES = 65_000
_NOTE = re.compile(rb"HasExtendedXMP[ \t\r\n]*(?:=[ \t\r\n]*[\"']|>[ \t\r\n]*)([0-9A-Fa-f]{32})")
_END = b"</rdf:RDF"
_START = b"<rdf:RDF"


def joined(main: bytes, pieces: Sequence[bytes]) -> bytes | None:
    """Return the packet with its extension.

    Args:
        main: a packet.
        pieces: contents of a JPEG's extension segments, without `EXTENSION_PREFIX`.

    Returns:
        The packet as it is where it names no extension; None if the one that it names is not whole or does not fit.
    """
    named = _NOTE.search(main)
    if named is None:
        return main
    extension = _put_together(pieces, named[1])
    try:
        _, start = apart(extension, extension.index(_START))
        inner = extension[start : extension.rindex(_END)]
        end = main.rindex(_END)
        whole = main[:end] + inner + main[end:]
        expat.ParserCreate("utf-8", " ").Parse(whole.strip(b" \t\r\n\0"), True)
    except (expat.ExpatError, ValueError, IndexError):
        return None
    return whole


def _put_together(pieces: Sequence[bytes], guid: bytes) -> bytes:
    """Return the extension of that name; empty if one of its pieces is missing."""
    whole, filled = bytearray(), 0
    for piece in pieces:
        length, offset = (
            int.from_bytes(piece[_GUID_BYTES + at : _GUID_BYTES + at + 4], "big") for at in (0, 4)
        )
        content = piece[_GUID_BYTES + 8 :]
        if (
            piece[:_GUID_BYTES].upper() != guid.upper()
            or not 0 < length <= LONGEST
            or offset + len(content) > length
        ):
            continue
        whole.extend(bytes(max(0, length - len(whole))))
        whole[offset : offset + len(content)] = content
        filled += len(content)
    return bytes(whole) if filled == len(whole) else b""


def segments(packet: bytes, longest: int) -> list[bytes]:
    """Return the APP1 segments' contents, of at most `longest` bytes, that hold a packet; none if it is too long."""
    if len(MAIN_PREFIX) + len(packet) <= longest:
        return [MAIN_PREFIX + packet]
    if len(packet) > LONGEST:
        return []
    extension = _without_wrapper(packet)
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()
    main = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="'
        + guid
        + b'"/></rdf:RDF></x:xmpmeta>'
    )
    length = len(extension).to_bytes(4, "big")
    starts = range(0, len(extension), _PIECE_BYTES)
    return [MAIN_PREFIX + main] + [
        EXTENSION_PREFIX + guid + length + start.to_bytes(4, "big") + extension[start : start + _PIECE_BYTES]
        for start in starts
    ]


def _without_wrapper(packet: bytes) -> bytes:
    """The packet without the processing instructions around it, which an extension lacks."""
    start, end = packet.find(b"<x:xmpmeta"), packet.rfind(b"</x:xmpmeta>")
    return packet[start : end + len(b"</x:xmpmeta>")] if 0 <= start < end else packet
