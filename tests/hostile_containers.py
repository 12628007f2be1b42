"""Files whose containers, and not their pixels, are made to keep a reader busy. The same on every run.

Each of `FAMILIES` makes one of about so many bytes; `mixture` draws chunks, segments, tags and nesting by chance.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image

from photorestore.imaging.metadata.exif import LONGEST_EXIF
from photorestore.imaging.metadata.xmp import LONGEST
from tests.conftest import make_photo
from tests.heif_files import Part, box, coded, heic, heif
from tests.jp2_files import codestream, jp2

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


FAMILIES: dict[str, Callable[[int], bytes]] = {
    "png: empty chunks": lambda n: png(repeated(png_chunk(b"teSt"), n)),
    "png: empty chunks behind": lambda n: png(after=repeated(png_chunk(b"teSt"), n)),
    "png: empty texts": lambda n: png(repeated(png_chunk(b"tEXt", b"a\0"), n)),
    "png: empty pixels": lambda n: png(repeated(png_chunk(b"IDAT"), n)),
    "png: short pixels behind": lambda n: png(after=repeated(png_chunk(b"IDAT", b"x"), n)),
    "png: profiles unpack": lambda n: png(repeated(bomb(b"iCCP"), n)),
    "png: profiles unpack behind": lambda n: png(after=repeated(bomb(b"iCCP"), n)),
    "png: texts unpack": lambda n: png(repeated(bomb(b"zTXt"), n)),
    "png: texts unpack behind": lambda n: png(after=repeated(bomb(b"iTXt"), n)),
    "png: exif of numbers": lambda n: png(png_chunk(b"eXIf", greedy_exif(n, 3, 1))),
    "png: exif of fractions": lambda n: png(png_chunk(b"eXIf", greedy_exif(n, 5, 1))),
    "png: exif of many": lambda n: png(png_chunk(b"eXIf", greedy_exif(n, 7))),
    "png: one long chunk": lambda n: png(png_chunk(b"teSt", bytes(n))),
    "png: short chunks": lambda n: png(repeated(png_chunk(b"teSt", bytes(820)), n)),
    "png: short texts behind": lambda n: png(after=repeated(png_chunk(b"tEXt", b"a\0" + b"b" * 820), n)),
    "png: exif that is read": lambda n: png(png_chunk(b"eXIf", greedy_exif(min(n, LONGEST_EXIF), 7, 65_000))),
    "jpeg: empty segments": lambda n: jpeg(repeated(segment(0xFFE5), n)),
    "jpeg: filled": lambda n: jpeg(b"\xff" * n),
    "jpeg: escaped": lambda n: jpeg(b"\xff\xe5\0\2" + repeated(b"\xff\0", n)),
    "jpeg: junk": lambda n: jpeg(b"\xff\xe5\0\2" + b"x" * n),
    "jpeg: exif in pieces": lambda n: jpeg(repeated(segment(0xFFE1, b"Exif\0\0" + bytes(65_000)), n)),
    "jpeg: exif in small pieces": lambda n: jpeg(repeated(segment(0xFFE1, b"Exif\0\0" + bytes(900)), n)),
    "jpeg: photoshop": lambda n: jpeg(
        repeated(segment(0xFFED, b"Photoshop 3.0\0" + repeated(b"8BIM\4\4" + bytes(6), 65_000)), n)
    ),
    "jpeg: profile in pieces": lambda n: jpeg(repeated(segment(0xFFE2, b"ICC_PROFILE\0\1\1"), n)),
    "jpeg: comments": lambda n: jpeg(repeated(segment(0xFFFE, b"c" * 60), n)),
    "jpeg: tables": lambda n: jpeg(repeated(segment(0xFFDB, repeated(b"\0" + bytes(range(64)), 65_000)), n)),
    "jpeg: hostile xmp": lambda n: jpeg(
        segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0" + hostile_xmp(min(n, 65_000)))
    ),
    "tiff: directories": lambda n: tiff([], chained(n), further=True),
    "tiff: directories that are read": lambda n: tiff([], chained(min(n, 4000 * 18)), further=True),
    "tiff: numbers": lambda n: tiff([(700, 3, n // 2, 0)], lambda _: bytes(n)),
    "tiff: fractions": lambda n: tiff([(34665, 5, n // 8, 0)], lambda _: bytes(n)),
    "tiff: many tags": lambda n: tiff([(40_000 + tag, 7, n, 0) for tag in range(20_000)], lambda _: bytes(n)),
    "tiff: hostile xmp": lambda n: tiff([(700, 1, len(hostile_xmp(n)), 0)], lambda _: hostile_xmp(n)),
    "tiff: busy xmp": lambda n: tiff([(700, 1, len(busy_xmp(n)), 0)], lambda _: busy_xmp(n)),
    "tiff: xmp that is read": lambda n: tiff(
        [(700, 1, len(busy_xmp(min(n, LONGEST) - 200)), 0)], lambda _: busy_xmp(min(n, LONGEST) - 200)
    ),
    "tiff: exif points to itself": lambda n: tiff([(34665, 4, 1, 8), (34853, 4, 1, 8)], lambda _: bytes(n)),
    "webp: chunks": lambda n: webp(repeated(webp_chunk(b"teSt"), n)),
    "webp: frames": lambda n: webp(repeated(webp_chunk(b"ANMF", bytes(16)), n)),
    "webp: short chunks": lambda n: webp(repeated(webp_chunk(b"teSt", bytes(820)), n)),
    "webp: short frames": lambda n: webp(
        repeated(webp_chunk(b"ANMF", bytes(16) + webp_chunk(b"teSt", bytes(1640))), n)
    ),
    "webp: exif of fractions": lambda n: webp(webp_chunk(b"EXIF", greedy_exif(n, 5, 1)), 8),
    "webp: exif of many": lambda n: webp(webp_chunk(b"EXIF", greedy_exif(n, 7)), 8),
    "webp: hostile xmp": lambda n: webp(webp_chunk(b"XMP ", hostile_xmp(n)), 4),
    "gif: comment in small blocks": lambda n: gif(b"\x21\xfe" + repeated(b"\1c", n) + b"\0"),
    "gif: comment in blocks": lambda n: gif(b"\x21\xfe" + repeated(b"\xff" + b"c" * 255, n) + b"\0"),
    "gif: comments": lambda n: gif(repeated(b"\x21\xfe\1c\0", n)),
    "gif: frame in small blocks": gif_frames,
    "avif: items": lambda n: items(b"avif", n),
    "avif: items of a track": lambda n: saved("AVIF") + box(b"moov", box(b"trak", items(b"avif", n)[28:])),
    "avif: boxes": lambda n: saved("AVIF") + repeated(box(b"free"), n),
    "heic: items": lambda n: items(b"heic", n),
    "heic: boxes": lambda n: heic(make_photo(24, 32)) + repeated(box(b"free"), n),
    "heic: boxes before": lambda n: box(b"ftyp", b"heic\0\0\0\0heic") + repeated(box(b"free"), n),
    "heic: short boxes": lambda n: heic(make_photo(24, 32)) + repeated(box(b"free", bytes(820)), n),
    "heic: boxes in boxes": nested,
    "heic: properties": lambda n: listed(b"heic", box(b"iprp", box(b"ipco", repeated(box(b"free"), n)))),
    "heic: lists of properties": lambda n: listed(
        b"heic",
        box(
            b"iprp",
            box(b"ipco") + repeated(box(b"ipma", bytes(4) + struct.pack(">I", 300) + b"\0\1\0" * 300), n),
        ),
    ),
    "heic: references": lambda n: listed(
        b"heic", box(b"iref", bytes(4) + repeated(box(b"dimg", b"\0\1\xff\xff" + bytes(2 * 65_535)), n))
    ),
    "heic: extents": extents,
    "heic: parameter sets": parameter_sets,
    "heic: long parameter sets": long_parameter_sets,
    "heic: exif of numbers": lambda n: heic_metadata(b"Exif", greedy_exif(within(n), 3, 1)),
    "heic: exif of many": lambda n: heic_metadata(b"Exif", greedy_exif(within(n), 7)),
    "heic: exif that is read": lambda n: heic_metadata(b"Exif", greedy_exif(min(n, LONGEST_EXIF), 7, 65_000)),
    "heic: hostile xmp": lambda n: heic_metadata(b"mime", hostile_xmp(within(n))),
    "heic: profile": lambda n: with_property(box(b"colr", b"prof" + bytes(within(n)))),
    "jp2: boxes": lambda n: jp2(make_photo(40, 48), after=repeated(box(b"free"), n)),
    "jp2: short boxes": lambda n: jp2(make_photo(40, 48), after=repeated(box(b"uuid", bytes(820)), n)),
    "jp2: boxes in its head": lambda n: jp2(make_photo(40, 48), repeated(box(b"free"), n)),
    "jp2: palettes": lambda n: jp2(
        make_photo(40, 48), repeated(box(b"pclr", b"\4\0\xff" + b"\7" * 255 + bytes(255 * 1024)), n)
    ),
    "jp2: definitions": lambda n: jp2(make_photo(40, 48), repeated(box(b"cdef", bytes(8000)), n)),
    "jp2: mappings": lambda n: jp2(make_photo(40, 48), repeated(box(b"cmap", bytes(8000)), n)),
    "jp2: exif of many": lambda n: jp2(
        make_photo(40, 48), after=box(b"uuid", b"JpgTiffExif->JP2" + greedy_exif(within(n), 7))
    ),
    "jp2: profile": lambda n: jp2(make_photo(40, 48), box(b"colr", b"\2\0\0" + bytes(within(n))), space=None),
    "j2c: empty segments": lambda n: markers(0xFF64, b"", n),
    "j2c: styles": lambda n: markers(0xFF53, b"\0\0\5\4\4\0\1", n),
    "j2c: comments": lambda n: markers(0xFF64, bytes(60_000), n),
}


def _png_piece(rng: random.Random, longest: int) -> bytes:
    names = [
        b"tEXt",
        b"zTXt",
        b"iTXt",
        b"eXIf",
        b"IDAT",
        b"fdAT",
        b"gAMA",
        b"tRNS",
        b"acTL",
        b"fcTL",
        b"teSt",
    ]
    if rng.random() < 1e-4:
        return bomb(rng.choice([b"zTXt", b"iTXt", b"iCCP"]))
    return png_chunk(rng.choice(names), _content(rng, longest))


def _jpeg_piece(rng: random.Random, longest: int) -> bytes:
    starts = [
        b"",
        b"Exif\0\0II*\0\x08\0\0\0",
        b"Photoshop 3.0\0",
        b"ICC_PROFILE\0\1\2",
        b"MPF\0II*\0\x08\0\0\0",
    ]
    marker = rng.choice([0xFFFE, 0xFFDD, *range(0xFFE0, 0xFFF0)])
    filling = rng.choice([b"", b"", b"\xff\xff", b"\xff\0", b"x"])
    content = (rng.choice(starts) + _content(rng, longest)).replace(b"\xff\xda", b"")
    return segment(marker, content) + filling


def _webp_piece(rng: random.Random, longest: int) -> bytes:
    names = [b"ALPH", b"EXIF", b"XMP ", b"ICCP", b"teSt", b"ANMF"]
    return webp_chunk(rng.choice(names), _content(rng, longest))


def _tiff_piece(rng: random.Random, longest: int) -> bytes:
    tags = [
        (rng.randrange(65536), rng.randrange(1, 13), rng.choice([0, 1, 8, longest]), rng.randrange(2**24))
        for _ in range(rng.randrange(1 + longest // 100))
    ]
    return directory(tags, rng.randrange(2**24))


def _content(rng: random.Random, longest: int) -> bytes:
    length = rng.randrange(longest + 1)
    match rng.randrange(3):
        case 0:
            return bytes(length)
        case 1:
            return rng.randbytes(length)
        case _:
            return greedy_exif(length, rng.choice([1, 3, 5]), 1 + length // 100)[:length]


def _heic_piece(rng: random.Random, longest: int) -> bytes:
    names = [
        b"ipma",
        b"ispe",
        b"hvcC",
        b"colr",
        b"iref",
        b"iloc",
        b"iinf",
        b"infe",
        b"iprp",
        b"meta",
        b"free",
    ]
    return box(rng.choice(names), _content(rng, longest))


def _jp2_piece(rng: random.Random, longest: int) -> bytes:
    names = [b"colr", b"pclr", b"cmap", b"cdef", b"uuid", b"xml ", b"jp2h", b"free"]
    return box(rng.choice(names), _content(rng, longest))


_PIECES = {
    "png": _png_piece,
    "jpeg": _jpeg_piece,
    "webp": _webp_piece,
    "tiff": _tiff_piece,
    "heic": _heic_piece,
    "jp2": _jp2_piece,
}
MIXED = tuple(_PIECES)


def mixture(kind: str, length: int, seed: int) -> bytes:
    """A file of the kind, one of `MIXED`, with pieces drawn by chance until it has that length."""
    rng = random.Random(seed)
    longest = rng.choice([0, 12, 100, 1000, 10_000, 60_000])
    drawn = bytearray()
    while len(drawn) < length:
        # Repeated, because to draw each takes longer than to read it.
        drawn += _PIECES[kind](rng, longest) * rng.choice([1, 1, 10, 1000])
    content = bytes(drawn[:length])
    match kind:
        case "png":
            return png(content) if seed % 2 else png(after=content)
        case "jpeg":
            return jpeg(content)
        case "webp":
            return webp(content, rng.choice([0, 4, 8, 12]))
        case "heic":
            whole = heic(make_photo(24, 32))
            return listed(b"heic", box(b"iprp", box(b"ipco", content))) if seed % 2 else whole + content
        case "jp2":
            photo = make_photo(40, 48)
            return jp2(photo, content) if seed % 2 else jp2(photo, after=content)
        case _:
            tags = [(34665, 4, 1, 0), (34853, 4, 1, rng.randrange(1, 2**24))]
            return tiff(tags, lambda _: content, further=True)
