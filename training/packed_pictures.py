"""Make pictures small for a pack: cut, compressed, in few levels."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from training.degradations.sources import part_of

PHOTO_PX = 448
"""Photographs are cut to at most this, along either side."""
PRINT_QUALITY = 84


def as_jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode with full colour; a picture without colour as grey."""
    levels = np.asarray(image, np.int16)
    if np.ptp(levels, axis=2).max() <= 1:
        image = image.convert("L")
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality, subsampling=0, optimize=True, progressive=True)
    return target.getvalue()


def as_png(image: Image.Image, note: int = 0, **options: int) -> bytes:
    """Encode as small as it gets; a note, if any, only changes the file's hash."""
    described = PngImagePlugin.PngInfo()
    if note:
        described.add_text("note", str(note))
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True, pnginfo=described, **options)
    return target.getvalue()


def in_16_levels(file: Path) -> bytes:
    """Halve a stamp's bytes; a note in it is counted up until its hash puts it into the part that it was in."""
    with Image.open(file) as stamp:
        levels = np.rint(np.asarray(stamp.convert("L")) / 17).astype(np.uint8)
    small = Image.frombytes("P", levels.shape[::-1], levels.tobytes())
    small.putpalette([17 * level for level in range(16) for _ in "rgb"])
    part = part_of(file.read_bytes())
    return next(
        content
        for content in (as_png(small, note, bits=4) for note in itertools.count())
        if part_of(content) == part
    )


def compressed(file: Path) -> bytes:
    """Return a whole print as JPEG: compressed again where that makes it smaller."""
    content, small = file.read_bytes(), as_jpeg(read(file), PRINT_QUALITY)
    keeps = file.suffix.lower() in {".jpg", ".jpeg"} and len(content) <= len(small)
    return content if keeps else small


def large_first(files: Sequence[Path], rng: random.Random) -> list[Path]:
    """Return the files in random order, drawn by area without replacement (Efraimidis & Spirakis, 2006)."""

    def key(file: Path) -> float:
        with Image.open(file) as picture:
            return float(rng.random() ** (1e5 / (picture.width * picture.height)))

    return sorted(files, key=key, reverse=True)


def random_crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """Cut out a part, at most `PHOTO_PX` along either side."""
    width, height = (min(PHOTO_PX, side) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def read(file: Path) -> Image.Image:
    """Read a picture as RGB."""
    with Image.open(file) as picture:
        return picture.convert("RGB")
