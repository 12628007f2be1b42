"""300 broken pictures, the same on every run, made in code.

Whoever takes uploads must answer each of them with a typed problem, or with exactly the pixels that the decoder gives.
"""

import io
import struct
import zlib

import numpy as np
import pyvips
from PIL import Image

from tests.heif_files import heic
from tests.jp2_files import codestream, jp2

COUNT = 300
SIZE_HW = (72, 96)

_WRONG_TYPES = {
    "empty": b"",
    "one byte": b"\xff",
    "spaces": b" " * 100,
    "text": b"restore me, please\n" * 20,
    "json": b'{"image": "..."}',
    "html": b"<!DOCTYPE html><html><body><img src=x></body></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    "svg with declaration": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "zip": b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(40),
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(20),
    "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64),
    "heic magic alone": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(60),
    "icon": b"\0\0\1\0\1\0" + bytes(30),
    "photoshop": b"8BPS\0\1" + bytes(40),
    "jpeg 2000 magic alone": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "portable pixmap": b"P6 4 4 255\n" + bytes(48),
    "wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(24),
    "fits": b"SIMPLE  =                    T" + b" " * 100,
    "vips": b"\xb6\xa6\xf2\x08" + bytes(64),
    "jpeg magic alone": b"\xff\xd8\xff",
    "png magic alone": b"\x89PNG\r\n\x1a\n",
    "gif magic alone": b"GIF89a",
    "tiff magic alone": b"II*\0",
    "big tiff magic alone": b"II+\0\x08\0\0\0",
    "bmp magic alone": b"BM",
    "webp magic alone": b"RIFF\x04\0\0\0WEBP",
    "avif magic alone": b"\0\0\0\x14ftypavif\0\0\0\0avif",
}

_NOT_CUT = (
    "cmyk jpeg",
    "palette png",
    "lossless webp with alpha",
    "lzw tiff",
    "heic of ten bits with alpha",
    "jpeg 2000 codestream",
)
"""Further kinds of the formats that are cut anyway; only their bits are flipped."""


def broken_inputs() -> list[tuple[str, bytes]]:
    """Name and bytes of each; `COUNT` in all."""
    whole = whole_inputs()
    broken = list(_WRONG_TYPES.items())
    broken += _lying_headers(whole) + _bombs()
    broken += [
        (f"{name} cut at {part}/16", upload[: len(upload) * part // 16])
        for name, upload in whole.items()
        if name not in _NOT_CUT
        for part in range(1, 16)
    ]
    rng = np.random.default_rng(20)
    names = list(whole)
    for number in range(COUNT - len(broken)):
        name = names[number % len(names)]
        broken.append((f"{name} with flipped bits, {number}", _flipped(whole[name], rng)))
    return broken


def whole_inputs() -> dict[str, bytes]:
    """The pictures that are broken."""
    photo = _photo()
    grey = photo.convert("L")
    deep = np.asarray(photo).astype(np.uint16) * 257
    return {
        "jpeg": _saved(photo, "JPEG", quality=90),
        "progressive jpeg": _saved(photo, "JPEG", quality=80, progressive=True),
        "cmyk jpeg": _saved(photo.convert("CMYK"), "JPEG"),
        "png": _saved(photo, "PNG"),
        "palette png": _saved(photo.quantize(16), "PNG"),
        "16-bit png": _deep(deep, ".png"),
        "webp": _saved(photo, "WEBP", quality=80),
        "lossless webp with alpha": _saved(photo.convert("RGBA"), "WEBP", lossless=True),
        "tiff": _saved(photo, "TIFF"),
        "lzw tiff": _saved(grey, "TIFF", compression="tiff_lzw"),
        "16-bit tiff": _deep(deep, ".tif"),
        "bmp": _saved(photo, "BMP"),
        "gif": _saved(photo, "GIF"),
        "avif": _saved(photo, "AVIF", quality=70),
        "heic": heic(np.asarray(photo)),
        "heic of ten bits with alpha": heic(np.dstack([deep, deep[..., :1]]), "RGBA;16"),
        "jpeg 2000": jp2(np.asarray(photo)),
        "jpeg 2000 codestream": codestream(np.asarray(photo)),
    }


def _photo() -> Image.Image:
    rng = np.random.default_rng(7)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(SIZE_HW[::-1], Image.Resampling.BICUBIC)


def _saved(picture: Image.Image, kind: str, **settings: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def _deep(values: np.ndarray, suffix: str) -> bytes:
    h, w, c = values.shape
    picture = pyvips.Image.new_from_memory(values.tobytes(), w, h, c, "ushort")
    return picture.copy(interpretation="rgb16").write_to_buffer(suffix)


def _flipped(upload: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(upload)
    for position in rng.integers(0, len(upload), int(rng.integers(1, 12))):
        damaged[position] ^= 1 << int(rng.integers(0, 8))
    return bytes(damaged)


def _patched(upload: bytes, start: int, content: bytes) -> bytes:
    return upload[:start] + content + upload[start + len(content) :]


def _png(
    width: int, height: int, *, bits: int = 8, colour_type: int = 2, pixels: bytes = b"\0" * 16
) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _lying_headers(whole: dict[str, bytes]) -> list[tuple[str, bytes]]:
    jpeg, gif, bmp, avif, tiff = (whole[name] for name in ("jpeg", "gif", "bmp", "avif", "tiff"))
    frame = jpeg.index(b"\xff\xc0") + 5
    webp = b"RIFF\x3e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"%s" + whole["webp"][12:]
    extent = avif.index(b"ispe") + 8
    heic_extent, jp2_size = whole["heic"].index(b"ispe") + 8, whole["jpeg 2000"].index(b"\xff\x51") + 6
    width_tag = (
        tiff.index(struct.pack("<HHI", 256, 4, 1)) + 8 if struct.pack("<HHI", 256, 4, 1) in tiff else 0
    )
    return [
        ("png of no width", _png(0, 64)),
        ("png of no height", _png(64, 0)),
        ("png that claims 4000x4000", _png(4000, 4000)),
        ("png that claims 20000x2500", _png(20000, 2500)),
        ("png of 3 bits", _png(64, 64, bits=3)),
        ("png of unknown colours", _png(64, 64, colour_type=5)),
        ("16-bit png that claims 2000x2000", _png(2000, 2000, bits=16)),
        ("16-bit png of no width", _png(0, 20, bits=16)),
        ("png with a chunk beyond its end", _patched(whole["png"], 33, b"\x7f\xff\xff\xff")),
        ("jpeg of no height", _patched(jpeg, frame, b"\0\0")),
        ("jpeg of no width", _patched(jpeg, frame + 2, b"\0\0")),
        ("jpeg higher than its data", _patched(jpeg, frame, b"\x03\xe8")),
        ("jpeg lower than its data", _patched(jpeg, frame, b"\0\x10")),
        ("jpeg of 9 channels", _patched(jpeg, frame + 4, b"\x09")),
        ("gif wider than its frame", _patched(gif, 6, struct.pack("<HH", 500, 500))),
        ("gif of no size", _patched(gif, 6, bytes(4))),
        ("bmp of no width", _patched(bmp, 18, bytes(4))),
        ("bmp wider than its data", _patched(bmp, 18, struct.pack("<i", 3000))),
        ("bmp upside down", _patched(bmp, 22, struct.pack("<i", -72))),
        ("bmp of 7 bits", _patched(bmp, 28, b"\x07")),
        ("bmp whose pixels start beyond its end", _patched(bmp, 10, b"\xff\xff\xff\x7f")),
        ("webp with another canvas", webp.replace(b"%s", b"\xff\x07\0\xff\x07\0")),
        ("avif with another extent", _patched(avif, extent, struct.pack(">II", 1920, 1080))),
        ("avif of no extent", _patched(avif, extent, bytes(8))),
        ("heic with another extent", _patched(whole["heic"], heic_extent, struct.pack(">II", 90, 70))),
        ("heic of no extent", _patched(whole["heic"], heic_extent, bytes(8))),
        ("jpeg 2000 of no extent", _patched(whole["jpeg 2000"], jp2_size, bytes(8))),
        ("jpeg 2000 wider than its data", _patched(whole["jpeg 2000"], jp2_size, struct.pack(">I", 3000))),
        ("tiff wider than its data", _patched(tiff, width_tag, struct.pack("<I", 3000))),
        ("tiff whose directory is itself", _patched(tiff, 4, struct.pack("<I", 4))),
        ("tiff whose directory is beyond its end", _patched(tiff, 4, b"\xff\xff\xff\x7f")),
        ("png named as jpeg", b"\xff\xd8\xff" + whole["png"]),
        ("jpeg named as png", b"\x89PNG\r\n\x1a\n" + jpeg),
    ]


def _bombs() -> list[tuple[str, bytes]]:
    start = _saved(Image.new("L", (8, 8)), "JPEG", progressive=True)
    scan = start.index(b"\xff\xda")
    text = zlib.compress(bytes(50_000_000), 9)
    chunk = struct.pack(">I", len(text) + 9) + b"zTXtcomment\0\0"[:4] + b"comment\0\0" + text
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    plain = _png(16, 16, pixels=bytes(16 * 49))
    sides, lzw = b"\xff\xff\xff\xff", b"\0\x02\x02D\x01\0;"
    bmp = b"BM" + bytes(8) + struct.pack("<IIiiHH", 54, 40, 100_000, 100_000, 1, 24)
    return [
        ("png of 30000x30000", _png(30_000, 30_000, bits=1, colour_type=0, pixels=bytes(1_000_000))),
        ("png of 2147483647 px a side", _png(2**31 - 1, 2**31 - 1)),
        ("png of 20001x1", _png(20_001, 1, pixels=bytes(60_004))),
        ("png of 8000x8000", _png(8000, 8000, bits=1, colour_type=0, pixels=bytes(8000 * 1001))),
        ("16-bit png of 60000x60000", _png(60_000, 60_000, bits=16)),
        ("png with 50 MB of text", plain[:33] + chunk + plain[33:]),
        ("png whose pixels unpack to more than it has", _png(16, 16, pixels=bytes(30_000_000))),
        ("gif of 65535x65535", b"GIF89a" + sides + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0" + sides + lzw),
        ("jpeg of 65500x65500", _patched(start, start.index(b"\xff\xc2") + 5, b"\xff\xdc\xff\xdc")),
        ("jpeg of 2000 scans", start[:scan] + start[scan:-2] * 2000 + start[-2:]),
        ("bmp of 100000x100000", bmp + bytes(30)),
        ("webp of 16384x16384", b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff\x3f\0\xff\x3f\0" + bytes(8)),
    ]  # fmt: skip
