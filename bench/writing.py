"""Writing, print and notes, made in code: (H, W) or (H, W, 3) uint8; and what other drawings write with."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.pictures import Pixels, Rng

SYLLABLES = (
    "ta", "mor", "ein", "lu", "ves", "ar", "do", "ni", "ster", "om", "pel", "ra", "gin", "u", "ka", "se",
)  # fmt: skip
PAPER = np.array([238, 219, 178], np.float32)
SCALE = 4
"""Pens draw at this many times the size; the picture is averaged down."""


def script(rng: Rng) -> Pixels:
    """Draw lines of loops that look like a hand's writing; ink thins upwards."""
    page = np.full((560 * SCALE, 760 * SCALE), 255, np.uint8)
    for line in range(11):
        x, y = 50.0, 50.0 + 46 * line + rng.normal(0, 2)
        while x < 690:
            x = _write_word(page, x, y, rng) + rng.uniform(9, 16)
    return shrunk(page)


def _write_word(page: Pixels, x: float, y: float, rng: Rng) -> float:
    """Draw one word from (x, y), px; return the x where it ends."""
    for _ in range(int(rng.integers(2, 9))):
        tall = rng.choice([7, 7, 7, 18, -15])
        width = rng.uniform(6, 11)
        turn = np.linspace(0, 2 * math.pi, 14)
        along = (
            x + width * turn / (2 * math.pi) + 2.2 * np.sin(turn) + 0.35 * abs(tall) * (1 - np.cos(turn)) / 2
        )
        across = y - tall * (1 - np.cos(turn)) / 2
        points = np.stack([along, across], 1)
        for first, second in pairwise(points):
            pen = round(SCALE * (1.9 if second[1] > first[1] else 1.1))
            start, end = ([int(SCALE * value) for value in point] for point in (first, second))
            cv2.line(page, start, end, 30, pen, cv2.LINE_AA)
        x += width
    return x


def yellowed_script(rng: Rng) -> Pixels:
    """Draw the same in brown ink on paper that has gone yellow."""
    return _on_paper(script(rng), rng)


def printed_page(rng: Rng) -> Pixels:
    """Draw a title and two columns of print."""
    page = Image.new("L", (720, 900), 252)
    draw = ImageDraw.Draw(page)
    draw.text((360, 40), f"{word(rng)} {word(rng)}".upper(), 10, font(26, "DejaVuSerif-Bold"), "mm")
    for left in (40, 375):
        for line in range(48):
            text = " ".join(word(rng) for _ in range(9))
            draw.text((left, 80 + 16.5 * line), text[:46], 15, font(11, "DejaVuSerif"))
    return np.asarray(page)


def yellowed_page(rng: Rng) -> Pixels:
    """Print on paper that has gone yellow."""
    return _on_paper(printed_page(rng), rng)


def sheet_music(rng: Rng) -> Pixels:
    """Draw staves with notes, stems and beams."""
    page = Image.new("L", (720 * SCALE, 560 * SCALE), 255)
    draw = ImageDraw.Draw(page)
    gap = 8 * SCALE
    for top in range(40 * SCALE, 500 * SCALE, 90 * SCALE):
        for line in range(5):
            draw.line((40 * SCALE, top + line * gap, 690 * SCALE, top + line * gap), 0, SCALE)
        for index, x in enumerate(range(80 * SCALE, 680 * SCALE, 30 * SCALE)):
            y = top + int(rng.integers(0, 9)) * gap // 2
            draw.ellipse((x - 5 * SCALE, y - 4 * SCALE, x + 5 * SCALE, y + 4 * SCALE), 0)
            draw.line((x + 5 * SCALE, y, x + 5 * SCALE, top - 14 * SCALE), 0, SCALE)
            if index % 4 == 0:
                draw.line((x - 14 * SCALE, top, x - 14 * SCALE, top + 4 * gap), 0, SCALE)
            elif index % 2:
                draw.line((x + 5 * SCALE, top - 14 * SCALE, x + 35 * SCALE, top - 14 * SCALE), 0, 3 * SCALE)
    return shrunk(np.asarray(page))


def _on_paper(page: Pixels, rng: Rng) -> Pixels:
    """Ink of a page (H, W) in brown on yellowed, stained paper."""
    h, w = page.shape
    stains = cv2.resize(rng.random((5, 6)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    fibres = cv2.GaussianBlur(rng.standard_normal((h, w)).astype(np.float32), (0, 0), 0.8)
    paper = PAPER * (0.86 + 0.14 * stains)[..., None] + 4 * fibres[..., None]
    ink = 1 - page.astype(np.float32)[..., None] / 255
    return (paper + ink * (np.array([62, 45, 30]) - paper)).clip(0, 255).round().astype(np.uint8)


def shrunk(page: Pixels) -> Pixels:
    """Return the mean over each `SCALE` by `SCALE` pixels of a page that was drawn large."""
    small = cv2.resize(page, None, fx=1 / SCALE, fy=1 / SCALE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def word(rng: Rng) -> str:
    """Return one to three syllables."""
    return "".join(rng.choice(SYLLABLES, int(rng.integers(1, 4))))


def font(size_px: int, name: str = "DejaVuSans") -> ImageFont.FreeTypeFont:
    """Return one of the fonts that come with matplotlib."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size_px)
