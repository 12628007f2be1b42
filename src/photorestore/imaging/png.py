"""A PNG's texts: those too long to unpack are left out, so that they do not spoil the picture."""

from __future__ import annotations

import zlib

from PIL import PngImagePlugin

from photorestore.imaging.sniff import png_chunks

LONGEST_TEXT = 4 << 20
"""Bytes of a text or a profile when it is unpacked; a profile for every shade of a printer's ink has 3 MB."""
LONGEST_TEXTS = PngImagePlugin.MAX_TEXT_MEMORY
"""Of all texts together."""

# Pillow calls a PNG broken for a longer text. Set once, as the limit belongs to the process.
PngImagePlugin.MAX_TEXT_CHUNK = LONGEST_TEXT


def without_long_texts(upload: bytes) -> tuple[bytes, list[str]]:
    """The PNG without the texts and profiles that are too long, and their names; mostly the upload as it is."""
    kept, names, start, left = list[bytes](), list[str](), 0, LONGEST_TEXTS
    for name, content, length in png_chunks(upload):
        if name not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            continue
        found = _unpacked_length(name, upload[content : content + length]) if left > 0 else 0
        left -= found
        if found <= LONGEST_TEXT and left > 0:
            continue
        kept.append(upload[start : content - 8])
        start = content + length + 4
        names.append(_describe(name, upload[content : content + 80]))
    return (b"".join((*kept, upload[start:])), names) if names else (upload, [])


def _unpacked_length(name: bytes, content: bytes) -> int:
    """Bytes of a chunk's text or profile; `LONGEST_TEXT` + 1 where it is longer than that."""
    packed = _packed(name, content)
    if packed is None:
        return min(len(content), LONGEST_TEXT)  # nothing is to be unpacked, however long it is
    try:
        return len(zlib.decompressobj().decompress(packed, LONGEST_TEXT + 1))
    except zlib.error:
        return len(content)


def _packed(name: bytes, content: bytes) -> bytes | None:
    """What is packed in a chunk, or None where nothing is."""
    _, _, rest = content.partition(b"\0")
    if name in (b"zTXt", b"iCCP"):
        return rest[1:]
    if name == b"iTXt" and rest[:1] == b"\1":
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return None


def _describe(name: bytes, content: bytes) -> str:
    keyword = content.partition(b"\0")[0].decode("latin-1")
    kind = "icc" if name == b"iCCP" else "xmp" if keyword == "XML:com.adobe.xmp" else f"text {keyword!r}"
    return f"{kind}: longer than {LONGEST_TEXT >> 20} MiB"
