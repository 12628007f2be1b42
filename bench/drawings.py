"""Drawings and writing, made in code: (H, W) or (H, W, 3) uint8.

Nothing here is shared with what training makes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw
from skimage import data

from bench.bilevel import portrait
from bench.pictures import Pixels, Rng
from bench.plots import bar_chart, circuit, contour_map, line_chart
from bench.writing import (
    SCALE,
    font,
    printed_page,
    script,
    sheet_music,
    shrunk,
    word,
    yellowed_page,
    yellowed_script,
)


def floor_plan(rng: Rng) -> Pixels:
    """Draw walls, doors, hatched ground and measures, as an architect does."""
    plan = Image.new("L", (760, 560), 255)
    draw = ImageDraw.Draw(plan)
    for x in range(-560, 760, 9):
        draw.line((x, 560, x + 560, 0), fill=190)
    draw.rectangle((60, 50, 700, 500), fill=255, outline=0, width=7)
    for x, y in ((260, 50), (470, 210), (560, 50)):
        draw.line((x, y, x, 500 if y > 50 else 210), fill=0, width=4)
    draw.line((60, 210, 700, 210), fill=0, width=4)
    for x, y in ((120, 210), (330, 210), (590, 210), (470, 380)):
        draw.rectangle((x, y - 3, x + 46, y + 3), fill=255)
        draw.arc((x - 46, y - 46, x + 46, y + 46), 0, 90, fill=0)
        draw.line((x, y, x, y + 46), fill=0)
    draw.line((60, 530, 700, 530), fill=0)
    for x in (60, 260, 470, 700):
        draw.line((x - 5, 535, x + 5, 525), fill=0)
    for x, y in ((100, 110), (330, 110), (600, 110), (150, 350), (540, 420)):
        draw.text((x, y), f"{word(rng).title()}\n{rng.uniform(6, 30):.1f} m2", fill=0, font=font(13))
    return np.asarray(plan)


def family_tree(rng: Rng) -> Pixels:
    """Draw boxes with names and years, joined by thin lines."""
    tree = Image.new("RGB", (900, 520), "white")
    draw = ImageDraw.Draw(tree)
    for level in range(4):
        count, y = 2**level, 20 + 130 * level
        for index in range(count):
            x = 900 * (2 * index + 1) / (2 * count)
            half = min(70, 900 / count / 2 - 4)
            draw.rectangle((x - half, y, x + half, y + 52), outline="black")
            text = f"{word(rng).title()[:9]}\n{1780 + 30 * level}-{1850 + 30 * level}"
            draw.multiline_text((x, y + 26), text, "black", font(11), "mm", align="center")
            if level < 3:
                reach = 900 / count / 4
                draw.line((x, y + 52, x, y + 91), fill="black")
                draw.line((x - reach, y + 91, x + reach, y + 91), fill="black")
                for side in (-reach, reach):
                    draw.line((x + side, y + 91, x + side, y + 130), fill="black")
    return np.asarray(tree)


def engraving(_rng: Rng) -> Pixels:
    """Draw the portrait in lines that swell with its darkness."""
    tone = cv2.resize(portrait(), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    h, w = tone.shape
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float32) / SCALE
    wave = 0.5 + 0.5 * np.cos(2 * math.pi * (rows + 0.25 * columns + 3 * np.sin(columns / 40)) / 5)
    return shrunk(np.where(wave > 0.06 + 0.94 * tone, 20, 250).astype(np.uint8))


def screenshot(rng: Rng) -> Pixels:
    """Draw a window with a list, buttons and a field of text."""
    screen = Image.new("RGB", (800, 560), (240, 240, 244))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 800, 30), fill=(48, 92, 160))
    draw.text((12, 8), f"{word(rng)} - inbox", "white", font(13))
    for row in range(22):
        y = 40 + 23 * row
        draw.rectangle((8, y, 250, y + 21), fill=(255, 255, 255) if row % 2 else (226, 234, 246))
        draw.text((14, y + 3), " ".join(word(rng) for _ in range(3))[:30], (30, 30, 30), font(11))
    draw.rectangle((262, 40, 790, 500), fill="white", outline=(160, 160, 160))
    for line in range(24):
        text = " ".join(word(rng) for _ in range(11))
        draw.text((272, 48 + 18 * line), text[:70], (20, 20, 20), font(11, "DejaVuSansMono"))
    for index, colour in enumerate(((70, 150, 80), (190, 70, 60), (120, 120, 130))):
        draw.rounded_rectangle((262 + 110 * index, 515, 360 + 110 * index, 545), 5, fill=colour)
    return np.asarray(screen)


def photographed_page(_rng: Rng) -> Pixels:
    """Return a page in uneven light, as scikit-image ships it."""
    return data.page()


def photographed_text(_rng: Rng) -> Pixels:
    """Return a line of writing, out of focus, as scikit-image ships it."""
    return data.text()


DRAWINGS: dict[str, Callable[[Rng], Pixels]] = {
    made.__name__: made
    for made in (
        line_chart, bar_chart, contour_map, circuit, floor_plan, family_tree, script, yellowed_script,
        printed_page, yellowed_page, sheet_music, engraving, screenshot, photographed_page, photographed_text,
    )
}  # fmt: skip
