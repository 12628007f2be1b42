"""Containers whose chunks, segments, tags and nesting are drawn by chance. The same on every run."""

import random

from tests.conftest import make_photo
from tests.container_pieces import (
    bomb,
    directory,
    greedy_exif,
    jpeg,
    listed,
    png,
    png_chunk,
    segment,
    tiff,
    webp,
    webp_chunk,
)
from tests.heif_files import box, heic
from tests.jp2_files import jp2


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
