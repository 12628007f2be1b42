"""Put metadata into a picture's file that an encoder wrote without any, and name what finds no place."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

from photorestore.imaging.files.sniff import png_chunks
from photorestore.imaging.metadata import xmp_extended
from photorestore.imaging.metadata.attachments import Attachments
from photorestore.imaging.metadata.exif import LAYOUT, ORIENTATION, PREFIX, Exif, settle_maker_note
from photorestore.imaging.metadata.extras import RESOLUTION, as_raw_profile
from photorestore.imaging.metadata.ifd import Directory, Entry, read_directory, written
from photorestore.imaging.metadata.photoshop import IPTC, Resources, write_resources

Content = bytes | memoryview

_LONGEST_SEGMENT = 65_533
_RESOURCES_PREFIX = b"Photoshop 3.0\0"
_JFIF_UNITS = {"ratio": 0, "inch": 1, "cm": 2}
_XMP, _IPTC, _RESOURCES = 700, 33723, 34377
_PNG_HEAD_BYTES = 8 + 12 + 13
"""Of the signature and the first chunk."""


def attach(file: io.BytesIO, name: str, attachments: Attachments, dropped: list[str]) -> Content:
    """Return the file with its metadata, where the encoder is not given them: in `jpeg`, `png` and `tiff`.

    Args:
        file: may be changed.
        dropped: gets the names of what is lost.
    """
    if name == "tiff":
        _into_tiff(file, attachments, dropped)
    content = file.getbuffer()
    writers: dict[str, Callable[[memoryview, Attachments, list[str]], Content]] = {
        "jpeg": _into_jpeg,
        "png": _into_png,
    }
    return writers[name](content, attachments, dropped) if name in writers else content


def _into_jpeg(content: memoryview, attachments: Attachments, dropped: list[str]) -> Content:
    end = 4 + int.from_bytes(content[4:6], "big")  # of JFIF's segment, which comes first
    head = bytearray(content[:end])
    density = attachments.extras.density
    if density is not None:
        unit = "inch" if density.unit == "metre" else density.unit
        x, y = (min(max(round(value), 1), 65_535) for value in density.per(unit))
        struct.pack_into(">BHH", head, 13, _JFIF_UNITS[unit], x, y)
    pieces = [bytes(head), *_jpeg_segments(attachments, dropped)]
    return content if len(pieces) == 1 and density is None else b"".join([*pieces, content[end:]])


def _jpeg_segments(attachments: Attachments, dropped: list[str]) -> Iterator[bytes]:
    if attachments.exif is not None and (block := _fitting(attachments.exif, dropped)):
        yield _segment(0xE1, block)
    if attachments.xmp:
        packets = xmp_extended.segments(attachments.xmp, _LONGEST_SEGMENT)
        if not packets:
            dropped.append("xmp: too long for jpeg")
        yield from (_segment(0xE1, packet) for packet in packets)
    if attachments.extras.resources:
        block = write_resources(attachments.extras.resources)
        piece = _LONGEST_SEGMENT - len(_RESOURCES_PREFIX)
        for start in range(0, len(block), piece):
            yield _segment(0xED, _RESOURCES_PREFIX + block[start : start + piece])
    yield from (_segment(0xFE, comment) for comment in attachments.extras.comments)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _fitting(exif: Exif, dropped: list[str]) -> bytes | None:
    """Return the block, without its longest entries if it would be too long for a segment."""
    parts = [exif.directory.entries, exif.details]
    while len(block := exif.block()) > _LONGEST_SEGMENT:
        sizes = [(len(entry.content), tag, part) for part in parts for tag, entry in part.items()]
        if not sizes:
            dropped.append("exif: too long for jpeg")
            return None
        _, tag, part = max(sizes, key=lambda size: size[0])
        del part[tag]
        dropped.append(f"exif: tag 0x{tag:04x}: too long for jpeg")
    return block if exif.directory.entries or exif.directory.below else None


def _into_png(content: memoryview, attachments: Attachments, _: list[str]) -> Content:
    """Insert chunks after the first one, and take out the resolution that the encoder has invented."""
    rest = content[_PNG_HEAD_BYTES:]
    for name, start, length in png_chunks(bytes(content[: 64 << 10])):
        if name == b"pHYs":
            rest = memoryview(b"".join((content[_PNG_HEAD_BYTES : start - 8], content[start + length + 4 :])))
    return b"".join((content[:_PNG_HEAD_BYTES], *_png_chunks(attachments), rest))


def _png_chunks(attachments: Attachments) -> Iterator[bytes]:
    extras = attachments.extras
    if extras.density is not None:
        unit = "ratio" if extras.density.unit == "ratio" else "metre"
        x, y = (min(max(round(value), 1), (1 << 31) - 1) for value in extras.density.per(unit))
        yield _chunk(b"pHYs", struct.pack(">IIB", x, y, unit == "metre"))
    if attachments.exif is not None:
        yield _chunk(b"eXIf", attachments.exif.block().removeprefix(PREFIX))
    if attachments.xmp:
        yield _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + attachments.xmp)
    if extras.resources:
        yield _chunk(b"zTXt", as_raw_profile("iptc", write_resources(extras.resources)))
    yield from (_chunk(text.kind, text.content) for text in extras.texts)
    yield from (_chunk(*_as_text(comment)) for comment in extras.comments)


def _as_text(comment: bytes) -> tuple[bytes, bytes]:
    try:
        comment.decode("utf-8")
    except ValueError:
        return b"tEXt", b"Comment\0" + comment.replace(b"\0", b" ")
    return b"iTXt", b"Comment\0\0\0\0\0" + comment.rstrip(b"\0")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _into_tiff(file: io.BytesIO, attachments: Attachments, dropped: list[str]) -> None:
    """Replace the first directory by a new one behind the pixels, with the encoder's entries and ours.

    The pixels are not copied, which in a large picture would take longer than all else that is done here.
    """
    with file.getbuffer() as content:
        directory, _ = read_directory(content, without=frozenset((*RESOLUTION, _XMP)))
        length = len(content)
    exif = attachments.exif or Exif()
    settle_maker_note(exif, dropped)
    found = exif.directory if exif.order == "<" else exif.directory.swapped()
    lost = LAYOUT & found.entries.keys() - directory.entries.keys()
    dropped += [f"exif: tag 0x{tag:04x}: has no meaning in tiff" for tag in sorted(lost - {ORIENTATION})]
    ours = {tag: entry for tag, entry in found.entries.items() if tag not in LAYOUT}
    blocks = _tiff_blocks(attachments.xmp, attachments.extras.resources)
    merged = Directory(directory.entries | ours | blocks, found.below)
    start = length + length % 2
    file.seek(4)
    file.write(struct.pack("<I", start))
    file.seek(start)
    file.write(written(merged, "<", start))


def _tiff_blocks(xmp: bytes | None, resources: Resources) -> dict[int, Entry]:
    blocks = {
        _XMP: (1, xmp),
        _IPTC: (7, resources.get(IPTC)),
        _RESOURCES: (1, write_resources({key: value for key, value in resources.items() if key != IPTC})),
    }
    return {tag: Entry(kind, block) for tag, (kind, block) in blocks.items() if block}
