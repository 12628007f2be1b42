"""Make up for what Pillow gets wrong in PNGs: texts too long to unpack, and transparent greys of few bits."""

from __future__ import annotations

import zlib

from PIL import Image, PngImagePlugin

from photorestore.imaging.files.sniff import png_chunks

LONGEST_TEXT = 4 << 20
"""Bytes of a text or a profile when it is unpacked; a profile for every shade of a printer's ink has 3 MB."""
LONGEST_TEXTS = PngImagePlugin.MAX_TEXT_MEMORY
"""Of all texts together."""

# Pillow calls a PNG broken for a longer text. Set once, as the limit belongs to the process; and a little higher, as
# Pillow counts the end of what is packed as well.
PngImagePlugin.MAX_TEXT_CHUNK = LONGEST_TEXT + 1024


def without_long_texts(upload: bytes) -> tuple[bytes, list[str]]:
    """Return the PNG without texts and profiles that are too long, and the names of these."""
    kept, names, start, left = list[bytes](), list[str](), 0, LONGEST_TEXTS
    for name, content, length in png_chunks(upload):
        if name not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            continue
        packed = _packed(name, upload[content : content + length])
        is_long = False
        if left > 0:
            found = length if packed is None else _unpacked_length(packed)
            is_long = packed is not None and found > LONGEST_TEXT
            left -= found
        if is_long or left <= 0:
            kept.append(upload[start : content - 8])
            start = content + length + 4
            names.append(_describe(name, upload[content : content + 80]))
    return (b"".join((*kept, upload[start:])), names) if names else (upload, [])


def _unpacked_length(packed: bytes) -> int:
    """At most `LONGEST_TEXT` + 1."""
    try:
        return len(zlib.decompressobj().decompress(packed, LONGEST_TEXT + 1))
    except zlib.error:  # Pillow passes over it
        return 0


def _packed(name: bytes, content: bytes) -> bytes | None:
    """Return what is packed in a chunk, or None."""
    _, _, rest = content.partition(b"\0")
    if name in (b"zTXt", b"iCCP"):
        return rest[1:]
    if name == b"iTXt" and rest[:1] == b"\1":
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return None


def _describe(name: bytes, content: bytes) -> str:
    keyword = content.partition(b"\0")[0].decode("latin-1")
    kind = "icc" if name == b"iCCP" else "xmp" if keyword == "XML:com.adobe.xmp" else f"text {keyword!r}"
    return f"{kind}: too long"


def mend_transparent_grey(upload: bytes, image: Image.Image) -> None:
    """Scale the transparent grey of 2 or 4 bits to 8, as Pillow scales only the pixels."""
    bits, kind = upload[24:26]
    grey = image.info.get("transparency")
    if kind == 0 and bits in (2, 4) and isinstance(grey, int):
        image.info["transparency"] = grey * 255 // ((1 << bits) - 1)
