"""Pieces of containers, by the byte: chunks, segments, boxes, directories, and files put together of them."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image

from tests.conftest import make_photo
from tests.heif_files import Part, box, coded, heif
from tests.jp2_files import codestream

XMP_START = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'


def saved(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(make_photo(24, 32)).save(file, kind, **options)
    return file.getvalue()


def within(length: int) -> int:
    """Bytes of the content of a file that has room for a head as well, and so is whole."""
    return max(100, length - 40_000)


def repeated(piece: bytes, length: int) -> bytes:
    return piece * max(1, length // len(piece))


def hostile_xmp(length: int) -> bytes:
    """Elements that are opened again and again."""
    return XMP_START + repeated(b"<xmp:Thumbnails>", length)


def busy_xmp(length: int) -> bytes:
    """A well-formed packet of what has to be changed."""
    piece = b'<tiff:Orientation a="b" tiff:ImageWidth="7">6</tiff:Orientation><xmp:Thumbnails/>'
    return XMP_START + repeated(piece, length) + b"</x:xmpmeta>"


def directory(tags: list[tuple[int, int, int, int]], further: int = 0) -> bytes:
    """A directory of tag, type, count and value or offset, little endian."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", further)


def greedy_exif(length: int, kind: int = 3, tags: int = 2000) -> bytes:
    """An EXIF block whose tags all claim the bytes behind the directory, as numbers of one type."""
    unit = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind]
    start = 8 + 2 + 12 * (tags + 1) + 4
    claimed = max(1, (length - start) // unit)
    entries = [((0x9000 + number) % 65536, kind, claimed, start) for number in range(tags)]
    block = b"II*\0\x08\0\0\0" + directory([(34665, 4, 1, 8), *entries])
    return block + bytes(max(0, length - len(block)))


def png_chunk(name: bytes, content: bytes = b"") -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png(before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG with chunks put before its pixels, or before its end."""
    plain = saved("PNG")
    pixels, end = plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4
    return plain[:pixels] + before + plain[pixels:end] + after + plain[end:]


def bomb(name: bytes) -> bytes:
    """A chunk that unpacks to a megabyte."""
    head = b"x\0\1\0\0\0" if name == b"iTXt" else b"x\0\0"
    return png_chunk(name, head + zlib.compress(bytes(2**20 - 1), 9))


def jpeg(head: bytes) -> bytes:
    plain = saved("JPEG")
    return plain[:2] + head + plain[2:]


def segment(marker: int, content: bytes = b"") -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def webp(chunks: bytes, flags: int = 0) -> bytes:
    plain = saved("WEBP")
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + b"\x1f\0\0\x17\0\0"
    body = b"WEBP" + canvas + plain[12:] + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunk(name: bytes, content: bytes = b"") -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def tiff(
    extra: list[tuple[int, int, int, int]], tail: Callable[[int], bytes], *, further: bool = False
) -> bytes:
    """A TIFF of 32x24 grey pixels with further tags, and a tail, which knows where it begins."""
    count = 8 + len(extra)
    end = 8 + 2 + 12 * count + 4
    plain = [
        (256, 3, 1, 32), (257, 3, 1, 24), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, end),
        (278, 3, 1, 24), (279, 4, 1, 32 * 24),
    ]  # fmt: skip
    after = end + 32 * 24
    tags = [(tag, kind, length, value or after) for tag, kind, length, value in extra]
    return (
        b"II*\0\x08\0\0\0"
        + directory(sorted(plain + tags), after if further else 0)
        + bytes(768)
        + tail(after)
    )


def chained(length: int) -> Callable[[int], bytes]:
    """Directories of one tag that follow each other."""

    def tail(start: int) -> bytes:
        one = directory([(256, 3, 1, 32)])[:-4]
        ends = range(start + len(one) + 4, start + length, len(one) + 4)
        return b"".join(one + struct.pack("<I", end) for end in ends)

    return tail


def gif(extension: bytes) -> bytes:
    plain = saved("GIF")
    colours = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    return plain[:colours] + extension + plain[colours:]


def gif_frames(length: int) -> bytes:
    """Frames behind the first, of blocks of one byte."""
    return saved("GIF")[:-1] + b"\x2c" + bytes(4) + b"\x01\0\x01\0\0\x02" + repeated(b"\1\x44", length)


def items(brand: bytes, length: int) -> bytes:
    """A list of so many items that to look for each from the start takes hours."""
    entries = b"".join(struct.pack(">I8x", number) for number in range(length // 12))
    return listed(brand, box(b"iloc", b"\2\0\0\0\0\0" + struct.pack(">I", length // 12) + entries))


def listed(brand: bytes, *boxes: bytes) -> bytes:
    """A file whose `meta` holds these boxes."""
    handler = box(b"hdlr", bytes(8) + b"pict" + bytes(13))
    head = box(b"ftyp", brand + bytes(4) + brand + b"mif1miaf")
    return head + box(b"meta", bytes(4) + handler + b"".join(boxes))


def with_property(content: bytes) -> bytes:
    """A HEIC whose picture has one more."""
    return heif([coded(make_photo(24, 32), "RGB", content)])


def parameter_sets(length: int) -> bytes:
    """A decoder's record of units of no length."""
    units = min(255, 1 + length // (3 + 2 * 65_535))
    unit = struct.pack(">BH", 32, 65_535) + bytes(2 * 65_535)
    return with_property(box(b"hvcC", bytes(22) + bytes([units]) + unit * units))


def long_parameter_sets(length: int) -> bytes:
    """Records of units that go on with zeros where a number is due."""
    unit = struct.pack(">BHH", 33, 1, 65_535) + b"\x42\1" + bytes(65_533)
    return with_property(repeated(box(b"hvcC", bytes(22) + b"\1" + unit), length))


def heic_metadata(kind: bytes, content: bytes) -> bytes:
    info = b"\0application/rdf+xml\0\0" if kind == b"mime" else b"\0"
    block = content if kind == b"mime" else bytes(4) + content
    return heif([coded(make_photo(24, 32)), Part(block, kind=kind, info=info)], [(b"cdsc", 2, [1])])


def extents(length: int) -> bytes:
    """Metadata that is put together of the whole file, over and over."""
    count = 4000
    whole = heic_metadata(b"Exif", bytes(within(length)))
    at = whole.index(b"iloc") - 4
    end = at + int.from_bytes(whole[at : at + 4], "big")
    entry = struct.pack(">HHHH", 2, 0, 0, count) + struct.pack(">II", 0, len(whole)) * count
    places = box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", 1) + entry)
    meta = whole.index(b"meta") - 4
    size = int.from_bytes(whole[meta : meta + 4], "big") + len(places) - (end - at)
    return whole[:meta] + struct.pack(">I", size) + whole[meta + 4 : at] + places + whole[end:]


def nested(length: int) -> bytes:
    """Boxes that each hold the next."""
    head = b"".join(struct.pack(">I4sI", 12 * left, b"meta", 0) for left in range(length // 12, 0, -1))
    return box(b"ftyp", b"heic\0\0\0\0heic") + head


def markers(marker: int, content: bytes, length: int) -> bytes:
    """A codestream whose main header has so many segments."""
    plain = codestream(make_photo(40, 48))
    start = plain.index(b"\xff\x52")
    return plain[:start] + repeated(segment(marker, content), length) + plain[start:]
