"""PNGs and JPEGs of layouts drawn by chance, JPEGs in TIFF as well, and the colours that are in them."""

import io
import math
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from tests.layouts import GREY_BLACK, YCBCR, Drawn, Tags, tiff


def draw_png(rng: np.random.Generator, bits: int | None = None, values: np.ndarray | None = None) -> Drawn:
    """A PNG, interlaced or not, with a transparent colour or not; see `draw_tiff`."""
    kind = int(rng.choice([0, 2, 3, 4, 6]))
    drawn_bits = int(rng.choice({0: [1, 2, 4, 8, 16], 3: [1, 2, 4, 8]}.get(kind, [8, 16])))
    bits = (8 if kind == 3 else bits) if bits else drawn_bits
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    height, width = (int(side) for side in rng.integers(1, 70, 2))
    stored = rng.integers(0, 1 << bits, (height, width, samples))
    if values is not None:
        stored = np.resize(values, stored.shape).astype(int) * (257 if bits == 16 else 1)
    most = (1 << bits) - 1
    palette, opacities = rng.integers(0, 256, (1 << min(bits, 8), 3)), rng.integers(0, 256, 1 << min(bits, 8))
    colours, alpha, chunks = stored / most, None, b""
    is_transparent = bool(kind in (0, 2, 3) and rng.random() < 0.5)
    if kind == 3:
        colours = palette[stored[..., 0]] / 255
        chunks += png_chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if kind in (4, 6):
        colours, alpha = colours[..., :-1], colours[..., -1]
    elif is_transparent and kind == 3:
        alpha = opacities[stored[..., 0]] / 255
        chunks += png_chunk(b"tRNS", opacities.astype(np.uint8).tobytes())
    elif is_transparent:
        through = stored[0, 0]
        alpha = (stored != through).any(axis=-1).astype(float)
        chunks += png_chunk(b"tRNS", struct.pack(f">{samples}H", *through))
    interlaced = bool(rng.random() < 0.4)
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    raw = b"".join(_png_rows(stored[rows, columns], bits) for rows, columns in _passes(interlaced=interlaced))
    upload = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + chunks
    upload += png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b"")
    name = f"png {width}x{height} kind {kind}, {bits} bits, {interlaced=}, {is_transparent=}"
    return Drawn(name, upload, colours, alpha, 16 if bits == 16 else 8)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _passes(*, interlaced: bool) -> list[tuple[slice, slice]]:
    """PNG's Adam7."""
    if not interlaced:
        return [(slice(None), slice(None))]
    starts = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    return [(slice(top, None, down), slice(left, None, across)) for top, left, down, across in starts]


def _png_rows(part: np.ndarray, bits: int) -> bytes:
    if not part.size:
        return b""
    digits = part.reshape(len(part), -1, 1) >> np.arange(bits - 1, -1, -1) & 1
    rows = np.packbits(digits.reshape(len(part), -1).astype(np.uint8), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


def draw_jpeg(rng: np.random.Generator) -> Drawn:
    """A JPEG, or a TIFF of JPEGs in strips or tiles; the colours are those of its decoder."""
    height, width = (int(side) for side in rng.integers(1, 150, 2))
    mode = str(rng.choice(["L", "RGB"]))
    coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    settings: dict[str, Any] = {
        "quality": int(rng.integers(30, 100)),
        "subsampling": str(rng.choice(["4:4:4", "4:2:2", "4:2:0"])) if mode == "RGB" else "4:4:4",
        "progressive": bool(rng.random() < 0.3),
        "restart_marker_rows": int(rng.integers(0, 3)),
    }
    if rng.random() < 0.5:
        upload = _jpeg(image, settings)
        whole = np.asarray(Image.open(io.BytesIO(upload)))
        lacks_end = bool(rng.random() < 0.3)
        upload = upload[:-2] if lacks_end else upload
        return Drawn(f"jpeg {width}x{height} {mode} {settings} {lacks_end=}", upload, _depth(whole), None, 8)
    return _jpeg_in_tiff(rng, image, settings)


def _jpeg(image: Image.Image, settings: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **settings)
    return file.getvalue()


def _depth(image: np.ndarray) -> np.ndarray:
    return image.reshape(*image.shape[:2], -1) / 255


def _jpeg_in_tiff(rng: np.random.Generator, image: Image.Image, settings: dict[str, Any]) -> Drawn:
    width, height = image.size
    across, down = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}[settings["subsampling"]]
    samples = len(image.getbands())
    tiled = bool(rng.random() < 0.5)
    rows, columns = (32, 48) if tiled else (min(16 * int(rng.integers(1, 9)), height), width)
    tags: Tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8] * samples),
        259: (3, [7]),
        262: (3, [YCBCR if samples == 3 else GREY_BLACK]),
        277: (3, [samples]),
    }
    tags |= {322: (3, [columns]), 323: (3, [rows])} if tiled else {278: (3, [rows])}
    if samples == 3:
        tags[530] = (3, [across, down])
    whole = np.zeros((math.ceil(height / rows) * rows, math.ceil(width / columns) * columns, samples))
    segments = []
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            bottom = top + rows if tiled else min(top + rows, height)
            segments.append(
                _jpeg(image.crop((left, top, left + columns, bottom)), settings | {"progressive": False})
            )
            part = _depth(np.asarray(Image.open(io.BytesIO(segments[-1]))))
            whole[top : top + len(part), left : left + columns] = part
    order = str(rng.choice(["<", ">"]))
    name = f"tiff of jpeg {width}x{height} {image.mode} {rows}x{columns} {tiled=} {settings}"
    upload = tiff(tags, segments, order, is_big=bool(rng.random() < 0.2))
    return Drawn(name, upload, whole[:height, :width], None, 8)
