"""Drawings and writing, made in code: (H, W) or (H, W, 3) uint8.

Nothing here is shared with what training makes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from bench.bilevel import portrait
from bench.pictures import Pixels

Rng = np.random.Generator
SYLLABLES = (
    "ta",
    "mor",
    "ein",
    "lu",
    "ves",
    "ar",
    "do",
    "ni",
    "ster",
    "om",
    "pel",
    "ra",
    "gin",
    "u",
    "ka",
    "se",
)
PAPER = np.array([238, 219, 178], np.float32)
SCALE = 4
"""Pens draw this much larger; the picture is their mean."""


def line_chart(rng: Rng) -> Pixels:
    """Four wandering curves with a legend and a grid."""

    def draw(axes: Any) -> None:
        for name in "abcd":
            axes.plot(rng.normal(0, 1, 200).cumsum(), label=f"series {name}", linewidth=1)
        axes.grid(alpha=0.5, linestyle=":")
        axes.legend()
        axes.set(title="Index by day", xlabel="day", ylabel="points")

    return _figure(draw)


def bar_chart(rng: Rng) -> Pixels:
    """Bars with error bars, in grey."""

    def draw(axes: Any) -> None:
        axes.bar(range(12), rng.uniform(2, 9, 12), yerr=0.6, capsize=3, color="0.75", edgecolor="black")
        axes.set_xticks(range(12), [_word(rng)[:4] for _ in range(12)], rotation=45)
        axes.set_title("Yield by parish, 1911")

    return _figure(draw)


def contour_map(rng: Rng) -> Pixels:
    """Thin contours with their heights, and a river."""
    rows, columns = np.mgrid[0:1:160j, 0:1:200j]
    height = sum(
        rng.uniform(80, 400)
        * np.exp(-((rows - rng.random()) ** 2 + (columns - rng.random()) ** 2) / rng.uniform(0.02, 0.1))
        for _ in range(9)
    )

    def draw(axes: Any) -> None:
        lines = axes.contour(height, 24, colors="saddlebrown", linewidths=0.6)
        axes.clabel(lines, lines.levels[::4], fontsize=6)
        axes.plot(np.linspace(0, 199, 60), 70 + rng.normal(0, 2, 60).cumsum(), color="steelblue", linewidth=1)
        axes.set_axis_off()

    return _figure(draw)


def circuit(rng: Rng) -> Pixels:
    """A ladder of resistors and capacitors with their names."""

    def draw(axes: Any) -> None:
        zigzag = np.array([0, 0, 0.5, -0.5, 0.5, -0.5, 0.5, -0.5, 0, 0]) * 0.3
        for number in range(6):
            x = 2 * number
            axes.plot(x + np.linspace(0, 2, 10), 3 + zigzag, "k", linewidth=1.2)
            axes.text(x + 0.7, 3.3, f"R{number + 1} {rng.integers(1, 99)}k", fontsize=7)
            for low, high in ((3, 1.8), (1.5, 0)):
                axes.plot([x + 2, x + 2], [low, high], "k", linewidth=1.2)
            for level in (1.8, 1.5):
                axes.plot([x + 1.7, x + 2.3], [level] * 2, "k", linewidth=1.6)
            axes.text(x + 2.1, 1.0, f"C{number + 1}", fontsize=7)
        axes.plot([0, 12], [0, 0], "k", linewidth=1.2)
        axes.set(xlim=(-0.5, 13), ylim=(-0.5, 4))
        axes.set_axis_off()

    return _figure(draw, (7, 3))


def floor_plan(rng: Rng) -> Pixels:
    """Walls, doors, hatched ground and measures, as an architect draws them."""
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
        draw.text((x, y), f"{_word(rng).title()}\n{rng.uniform(6, 30):.1f} m2", fill=0, font=_font(13))
    return np.asarray(plan)


def family_tree(rng: Rng) -> Pixels:
    """Boxes with names and years, joined by thin lines."""
    tree = Image.new("RGB", (900, 520), "white")
    draw = ImageDraw.Draw(tree)
    for level in range(4):
        count, y = 2**level, 20 + 130 * level
        for index in range(count):
            x = 900 * (2 * index + 1) / (2 * count)
            half = min(70, 900 / count / 2 - 4)
            draw.rectangle((x - half, y, x + half, y + 52), outline="black")
            text = f"{_word(rng).title()[:9]}\n{1780 + 30 * level}-{1850 + 30 * level}"
            draw.multiline_text((x, y + 26), text, "black", _font(11), "mm", align="center")
            if level < 3:
                reach = 900 / count / 4
                draw.line((x, y + 52, x, y + 91), fill="black")
                draw.line((x - reach, y + 91, x + reach, y + 91), fill="black")
                for side in (-reach, reach):
                    draw.line((x + side, y + 91, x + side, y + 130), fill="black")
    return np.asarray(tree)


def script(rng: Rng) -> Pixels:
    """Lines of loops that look like a hand's writing; ink thins upwards."""
    page = np.full((560 * SCALE, 760 * SCALE), 255, np.uint8)
    for line in range(11):
        x, y = 50.0, 50.0 + 46 * line + rng.normal(0, 2)
        while x < 690:
            x = _write_word(page, x, y, rng) + rng.uniform(9, 16)
    return _shrunk(page)


def _write_word(page: Pixels, x: float, y: float, rng: Rng) -> float:
    """Draw one word from (x, y), px; gives where it ends."""
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
            ends = [tuple(int(SCALE * value) for value in point) for point in (first, second)]
            cv2.line(page, *ends, 30, pen, cv2.LINE_AA)
        x += width
    return x


def yellowed_script(rng: Rng) -> Pixels:
    """The same in brown ink on paper that has gone yellow."""
    return _on_paper(script(rng), rng)


def printed_page(rng: Rng) -> Pixels:
    """A title and two columns of print."""
    page = Image.new("L", (720, 900), 252)
    draw = ImageDraw.Draw(page)
    draw.text((360, 40), f"{_word(rng)} {_word(rng)}".upper(), 10, _font(26, "DejaVuSerif-Bold"), "mm")
    for left in (40, 375):
        for line in range(48):
            text = " ".join(_word(rng) for _ in range(9))
            draw.text((left, 80 + 16.5 * line), text[:46], 15, _font(11, "DejaVuSerif"))
    return np.asarray(page)


def yellowed_page(rng: Rng) -> Pixels:
    """Print on paper that has gone yellow."""
    return _on_paper(printed_page(rng), rng)


def sheet_music(rng: Rng) -> Pixels:
    """Staves with notes, stems and beams."""
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
    return _shrunk(np.asarray(page))


def engraving(_rng: Rng) -> Pixels:
    """A portrait in lines that swell with its darkness."""
    tone = cv2.resize(portrait(), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    h, w = tone.shape
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float32) / SCALE
    wave = 0.5 + 0.5 * np.cos(2 * math.pi * (rows + 0.25 * columns + 3 * np.sin(columns / 40)) / 5)
    return _shrunk(np.where(wave > 0.06 + 0.94 * tone, 20, 250).astype(np.uint8))


def screenshot(rng: Rng) -> Pixels:
    """A window with a list, buttons and a field of text."""
    screen = Image.new("RGB", (800, 560), (240, 240, 244))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 800, 30), fill=(48, 92, 160))
    draw.text((12, 8), f"{_word(rng)} - inbox", "white", _font(13))
    for row in range(22):
        y = 40 + 23 * row
        draw.rectangle((8, y, 250, y + 21), fill=(255, 255, 255) if row % 2 else (226, 234, 246))
        draw.text((14, y + 3), " ".join(_word(rng) for _ in range(3))[:30], (30, 30, 30), _font(11))
    draw.rectangle((262, 40, 790, 500), fill="white", outline=(160, 160, 160))
    for line in range(24):
        text = " ".join(_word(rng) for _ in range(11))
        draw.text((272, 48 + 18 * line), text[:70], (20, 20, 20), _font(11, "DejaVuSansMono"))
    for index, colour in enumerate(((70, 150, 80), (190, 70, 60), (120, 120, 130))):
        draw.rounded_rectangle((262 + 110 * index, 515, 360 + 110 * index, 545), 5, fill=colour)
    return np.asarray(screen)


def photographed_page(_rng: Rng) -> Pixels:
    """A page in uneven light, as scikit-image ships it."""
    return data.page()


def photographed_text(_rng: Rng) -> Pixels:
    """A line of writing, out of focus, as scikit-image ships it."""
    return data.text()


DRAWINGS: dict[str, Callable[[Rng], Pixels]] = {
    made.__name__: made
    for made in (
        line_chart, bar_chart, contour_map, circuit, floor_plan, family_tree, script, yellowed_script,
        printed_page, yellowed_page, sheet_music, engraving, screenshot, photographed_page, photographed_text,
    )
}  # fmt: skip


def _figure(draw: Callable[[Any], None], inches: tuple[float, float] = (7, 5)) -> Pixels:
    figure = Figure(inches, dpi=100, layout="tight")
    canvas = FigureCanvasAgg(figure)
    draw(figure.add_subplot())
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()


def _on_paper(page: Pixels, rng: Rng) -> Pixels:
    """Ink of a page (H, W) in brown on yellowed, stained paper."""
    h, w = page.shape
    stains = cv2.resize(rng.random((5, 6)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    fibres = cv2.GaussianBlur(rng.standard_normal((h, w)).astype(np.float32), (0, 0), 0.8)
    paper = PAPER * (0.86 + 0.14 * stains)[..., None] + 4 * fibres[..., None]
    ink = 1 - page.astype(np.float32)[..., None] / 255
    return (paper + ink * (np.array([62, 45, 30]) - paper)).clip(0, 255).round().astype(np.uint8)


def _shrunk(page: Pixels) -> Pixels:
    return cv2.resize(page, None, fx=1 / SCALE, fy=1 / SCALE, interpolation=cv2.INTER_AREA)


def _word(rng: Rng) -> str:
    return "".join(rng.choice(SYLLABLES, int(rng.integers(1, 4))))


def _font(size_px: int, name: str = "DejaVuSans") -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size_px)
