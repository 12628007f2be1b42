"""Files whose containers, and not their pixels, are made to keep a reader busy. The same on every run.

Each of `FAMILIES` makes one of about so many bytes.
"""

import struct
from collections.abc import Callable

from photorestore.imaging.metadata.exif import LONGEST_EXIF
from photorestore.imaging.metadata.xmp import LONGEST
from tests.conftest import make_photo
from tests.container_pieces import (
    bomb,
    busy_xmp,
    chained,
    extents,
    gif,
    gif_frames,
    greedy_exif,
    heic_metadata,
    hostile_xmp,
    items,
    jpeg,
    listed,
    long_parameter_sets,
    markers,
    nested,
    parameter_sets,
    png,
    png_chunk,
    repeated,
    saved,
    segment,
    tiff,
    webp,
    webp_chunk,
    with_property,
    within,
)
from tests.heif_files import box, heic
from tests.jp2_files import jp2

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
