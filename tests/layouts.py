"""TIFFs of layouts drawn by chance, and the colours that are in them, by the format's own formulas."""

import io
import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

GREY_WHITE, GREY_BLACK, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLOURS = {GREY_WHITE: 1, GREY_BLACK: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
NAMES = {1: "none", 5: "lzw", 7: "jpeg", 8: "deflate", 32773: "packbits", 34925: "lzma", 50000: "zstd"}

Tags = dict[int, tuple[int, list[int]]]
"""Type and values of a TIFF's tags, by number."""


@dataclass
class Drawn:
    """A file, and what is in it.

    Attributes:
        name: its layout in words.
        upload: the file.
        colours: (H, W, 1 | 3 | 4) in [0, 1], upright.
        alpha: (H, W), or None.
        bits: to be expected, 8 or 16.
        stored: (H, W, samples) as stored in a TIFF, for another reader to confirm; None where that does not apply.
    """

    name: str
    upload: bytes
    colours: np.ndarray
    alpha: np.ndarray | None
    bits: int
    stored: np.ndarray | None = None


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, ...) after the turn of an EXIF orientation."""
    flipped = image[:, ::-1] if orientation in (2, 4, 5, 7) else image
    return np.rot90(flipped, {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}[orientation])


def draw_tiff(rng: np.random.Generator, bits: int | None = None, values: np.ndarray | None = None) -> Drawn:
    """A TIFF; with `bits`, of that depth; with `values` (H, W, 6 of 8 bits), of these where they serve."""
    photometric = int(rng.choice([0, 1, 2, 2, 2, 3, 5, 6]))
    depths = {PALETTE: [1, 2, 4, 8], YCBCR: [8, 16], CMYK: [8, 16]}.get(
        photometric, [1, 2, 4, 8, 8, 10, 12, 14, 16, 16, 32]
    )
    drawn_bits = int(rng.choice(depths))
    bits = bits or drawn_bits
    if photometric == PALETTE and bits == 16:
        bits = 8
    kinds = [0, 2] if photometric in (PALETTE, YCBCR) else [0, 1, 2]
    extras = [int(kind) for kind in rng.choice(kinds, rng.choice([0, 0, 0, 1, 1, 2]))]
    samples = COLOURS[photometric] + len(extras)
    height, width = (int(side) for side in rng.integers(1, 70, 2))
    orientation = int(rng.choice([1, 1, 1, *range(2, 9)]))
    order = str(rng.choice(["<", ">"]))
    stored = rng.integers(0, 1 << bits, (height, width, samples), np.uint64)
    if values is not None:
        stored = np.resize(values, stored.shape).astype(np.uint64) * (257 if bits == 16 else 1)
    tags: Tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * samples),
        262: (3, [photometric]),
        274: (3, [orientation]),
        277: (3, [samples]),
    }
    if extras:
        tags[338] = (3, extras)
    palette = rng.integers(0, 256, (3, 1 << min(bits, 8)))
    if photometric == PALETTE:
        tags[320] = (3, [int(value) * 257 for value in palette.ravel()])
    if photometric == YCBCR:
        tags[530] = (3, [1, 1])
    coding, name = _arrange(rng, tags, stored, bits)
    colours, alpha = _meant(stored, photometric, bits, extras, palette)
    is_big = bool(rng.random() < 0.25)
    return Drawn(
        f"tiff {width}x{height} photometric {photometric}, {bits} bits, extra {extras}, orientation {orientation}, "
        f"{order}{'big ' if is_big else ''}{name}, {NAMES[coding]}",
        tiff(tags, _segments(tags, stored, bits, order), order, is_big=is_big),
        upright(colours, orientation),
        None if alpha is None else upright(alpha, orientation),
        8 if bits <= 8 else 16,
        stored,
    )


def _arrange(rng: np.random.Generator, tags: Tags, stored: np.ndarray, bits: int) -> tuple[int, str]:
    """Strips or tiles, one plane or several, compression and predictor."""
    height, _, samples = stored.shape
    coding = int(rng.choice([1, 1, 5, 8, 32773, 34925, 50000]))
    tags[259] = (3, [coding])
    is_planar = bool(samples > 1 and rng.random() < 0.3)
    tags[284] = (3, [2 if is_planar else 1])
    name = "planes" if is_planar else "pixels"
    if rng.random() < 0.4:
        tile = [16 * int(side) for side in rng.integers(1, 4, 2)]
        tags[322], tags[323] = (3, tile[:1]), (3, tile[1:])
        name += f" in tiles {tile[0]}x{tile[1]}"
    else:
        rows = int(rng.integers(1, height + 3))
        tags[278] = (3, [rows])
        name += f" in strips of {rows}"
    if coding in (5, 8, 34925, 50000) and bits in (8, 16, 32) and rng.random() < 0.5:
        tags[317] = (3, [2])
        name += ", differences"
    if bits in (1, 8) and coding == 1 and rng.random() < 0.1:
        tags[266] = (3, [2])
        name += ", lowest bit first"
    return coding, name


def _segments(tags: Tags, stored: np.ndarray, bits: int, order: str) -> list[bytes]:
    height, width, _ = stored.shape
    tiled = 322 in tags
    rows = tags[323][1][0] if tiled else min(tags[278][1][0], height)
    columns = tags[322][1][0] if tiled else width
    planes = np.split(stored, stored.shape[2], axis=2) if tags[284][1] == [2] else [stored]
    segments = []
    for plane in planes:
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                part = plane[top : top + rows, left : left + columns]
                if tiled:
                    missing = rows - part.shape[0], columns - part.shape[1]
                    part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
                segments.append(_packed(tags, part, bits, order))
    return segments


def _packed(tags: Tags, part: np.ndarray, bits: int, order: str) -> bytes:
    if 317 in tags:
        part = part.copy()
        part[:, 1:] = (part[:, 1:] - part[:, :-1]) % (1 << bits)
    if bits in (8, 16, 32):
        raw = part.astype(f"{order}u{bits // 8}").tobytes()
    else:
        digits = part.reshape(len(part), -1, 1) >> np.arange(bits - 1, -1, -1, dtype=np.uint64) & np.uint64(1)
        raw = np.packbits(digits.reshape(len(part), -1).astype(np.uint8), axis=1).tobytes()
    if 266 in tags:
        raw = bytes(int(f"{value:08b}"[::-1], 2) for value in raw)
    return _CODINGS[tags[259][1][0]](raw, len(part))


def _packbits(raw: bytes, rows: int) -> bytes:
    """In literal runs and, where all of a row is alike, runs."""
    length, found = len(raw) // rows, b""
    for start in range(0, len(raw), length):
        row = raw[start : start + length]
        for at in range(0, length, 128):
            run = row[at : at + 128]
            is_alike = len(run) > 1 and len(set(run)) == 1
            found += bytes([257 - len(run), run[0]]) if is_alike else bytes([len(run) - 1]) + run
    return found


def _by_pillow(name: str) -> Callable[[bytes, int], bytes]:
    def pack(raw: bytes, rows: int) -> bytes:
        file = io.BytesIO()
        image = Image.frombytes("L", (len(raw) // rows, rows), raw)
        image.save(file, "TIFF", compression=name, strip_size=1 << 30)
        packed = Image.open(file)
        assert isinstance(packed, TiffImageFile)
        tags = packed.tag_v2
        (start,), (length,) = tags[273], tags[279]
        return file.getvalue()[start : start + length]

    return pack


_CODINGS: dict[int, Callable[[bytes, int], bytes]] = {
    1: lambda raw, _: raw,
    5: _by_pillow("tiff_lzw"),
    8: lambda raw, _: zlib.compress(raw),
    32773: _packbits,
    34925: lambda raw, _: lzma.compress(raw),
    50000: _by_pillow("zstd"),
}


def _meant(
    stored: np.ndarray, photometric: int, bits: int, extras: list[int], palette: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours and alpha in [0, 1] by TIFF 6.0."""
    most = (1 << bits) - 1
    count = COLOURS[photometric]
    values = stored[..., :count] / most
    kinds = [index for index, kind in enumerate(extras) if kind in (1, 2)]
    alpha = stored[..., count + kinds[0]] / most if kinds else None
    if photometric == GREY_WHITE:
        values = 1 - values
    if photometric == PALETTE:
        values = palette.T[stored[..., 0].astype(int)] / 255
    if photometric == YCBCR:
        y, cb, cr = np.moveaxis(stored[..., :3].astype(float) - [0, (most + 1) / 2, (most + 1) / 2], -1, 0)
        red, blue = y + 1.402 * cr, y + 1.772 * cb
        green = (y - 0.299 * red - 0.114 * blue) / 0.587
        values = (np.stack([red, green, blue], axis=-1) / most).clip(0, 1)
    if alpha is not None and extras[kinds[0]] == 1:
        opacity = alpha[..., np.newaxis]
        values = np.where(opacity > 0, (values / np.maximum(opacity, 1e-9)).clip(0, 1), 0)
    return values, alpha


def tiff(tags: Tags, segments: list[bytes], order: str, *, is_big: bool) -> bytes:
    pointer, size, entry = ("Q", 8, 20) if is_big else ("I", 4, 12)
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 43 if is_big else 42)
    head += struct.pack(f"{order}HH", 8, 0) if is_big else b""
    body, starts = bytearray(head + bytes(size)), []
    for segment in segments:
        body += bytes(len(body) % 2)
        starts.append(len(body))
        body += segment
    body += bytes(len(body) % 2)
    tiled = 322 in tags
    pointers = {
        324 if tiled else 273: (4, starts),
        325 if tiled else 279: (4, [len(part) for part in segments]),
    }
    entries = tags | pointers
    struct.pack_into(f"{order}{pointer}", body, len(head), len(body))
    directory, beyond = struct.pack(f"{order}{'Q' if is_big else 'H'}", len(entries)), b""
    free = len(body) + len(directory) + entry * len(entries) + size
    for tag, (kind, values) in sorted(entries.items()):
        content = struct.pack(f"{order}{len(values)}{' BBHI'[kind]}", *values)
        directory += struct.pack(f"{order}HH{pointer}", tag, kind, len(values))
        if len(content) <= size:
            directory += content.ljust(size, b"\0")
        else:
            directory += struct.pack(f"{order}{pointer}", free + len(beyond))
            beyond += content + bytes(len(content) % 2)
    return bytes(body) + directory + bytes(size) + beyond
