"""Line art made in code: charts, plans, maps, trees, tables, pages, handwriting, music, engravings, sketches.

The detector of damage is to leave them alone, and the judgement of a picture to recognise them. Pure: everything is
drawn from `rng`; images are (3, H, W) in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from training.degradations import pages
from training.degradations.fading import blur
from training.degradations.halftones import halftone
from training.degradations.screens import draw_screenshot
from training.degradations.sheets import (
    Colour,
    Sheet,
    any_font,
    averaged,
    blank_sheet,
    colour,
    smooth_curve,
    smooth_field,
    words,
)
from training.randomness import chance, pick, randint, uniform

__all__ = ["draw_line_art", "draw_screenshot", "halftone"]


def draw_line_art(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Draw line art or a page, (3, H, W) in [0, 1]: dark on white or yellowed paper, at times the other way round.

    Some are bilevel, some soft as a scan; none has noise or JPEG artefacts.
    """
    ink, paper = _inks(rng)
    sheet = blank_sheet(h, w, ink, paper, randint(1, 5, rng))
    pick(KINDS, rng)(sheet, rng)
    if chance(0.3, rng):
        sheet.draw.rectangle((8, 8, sheet.w - 9, sheet.h - 9), outline=ink, width=sheet.unit)
    drawn = averaged(sheet)
    if chance(0.25, rng):
        return _bilevel(drawn)
    if chance(0.3, rng):
        drawn = blur(drawn, uniform(0.3, 1.0, rng))
    return _on_sheet(drawn, rng) if chance(0.35, rng) else drawn.clamp(0, 1)


def _inks(rng: torch.Generator) -> tuple[Colour, Colour]:
    paper = (255, 255, 255)
    if chance(0.45, rng):
        tone, yellow = randint(205, 256, rng), randint(0, 60, rng)
        paper = (tone, tone - yellow // 4, tone - yellow)
    ink = colour(rng, 0, 60) if chance(0.7, rng) else colour(rng, 0, 150)
    if chance(0.15, rng):
        ink = (0, 0, 0)
    if chance(0.1, rng):  # blueprints, blackboards
        return paper, ((20, 50, 110) if chance(0.5, rng) else ink)
    return ink, paper


def _bilevel(drawn: Tensor) -> Tensor:
    grey = drawn.mean(0, keepdim=True)
    return (grey > (grey.amin() + grey.amax()) / 2).float().expand(3, -1, -1)


def _on_sheet(drawn: Tensor, rng: torch.Generator) -> Tensor:
    """Uneven paper, ink that is not quite black."""
    _, h, w = drawn.shape
    shade = torch.from_numpy(smooth_field(h, w, uniform(1, 8, rng), rng))
    lifted = drawn * (1 - uniform(0, 0.25, rng)) + uniform(0, 0.12, rng)
    return (lifted * (1 - uniform(0, 0.2, rng) * shade)).clamp(0, 1)


def _chart(sheet: Sheet, rng: torch.Generator) -> None:
    """Axes with marks, and bars, curves or dots."""
    left, top, right, bottom = 0.12 * sheet.w, 0.1 * sheet.h, 0.95 * sheet.w, 0.86 * sheet.h
    size, font, draw = max(10, round(sheet.h * uniform(0.02, 0.05, rng))), any_font(rng), sheet.draw
    draw.line((left, top, left, bottom, right, bottom), fill=sheet.ink, width=sheet.unit)
    has_grid, count = chance(0.5, rng), randint(4, 16, rng)
    for i in range(count):
        x, y = left + (right - left) * (i + 0.5) / count, top + (bottom - top) * i / count
        if has_grid:
            draw.line((left, y, right, y), fill=sheet.ink, width=1)
        sheet.write((0.03 * sheet.w, y), str(randint(0, 999, rng)), size, font)
        sheet.write((x - size, bottom + size / 2), words(1, rng)[:4], size, font)
    values = torch.rand(count, generator=rng).tolist()
    kind = randint(0, 3, rng)
    places = [left + (right - left) * (i + 0.5) / count for i in range(count)]
    heights = [bottom - (bottom - top) * value for value in values]
    half = (right - left) / count * 0.35
    for series in range(randint(1, 4, rng)):
        fill = sheet.ink if chance(0.4, rng) else colour(rng)
        shifted = [min(bottom - 1, y * (1 + 0.15 * series)) for y in heights]
        if kind == 0 and series == 0:
            for x, y in zip(places, shifted, strict=True):
                draw.rectangle((x - half, y, x + half, bottom), fill=fill, outline=sheet.ink)
        elif kind == 1:
            draw.line(list(zip(places, shifted, strict=True)), fill=fill, width=2 * sheet.unit, joint="curve")
        else:
            for x, y in (torch.rand((randint(10, 200, rng), 2), generator=rng) * 0.8 + 0.13).tolist():
                px, py, r = x * sheet.w, y * sheet.h * 0.85, sheet.unit + 1
                draw.ellipse((px - r, py - r, px + r, py + r), fill=fill)
    sheet.write((left, 0.02 * sheet.h), words(randint(2, 6, rng), rng), round(1.4 * size), font)


def _plan(sheet: Sheet, rng: torch.Generator) -> None:
    """Rooms with thick walls, doors, hatching, names and measures."""
    draw, wall, font = sheet.draw, sheet.unit * randint(1, 5, rng), any_font(rng)
    rooms = [(0.06 * sheet.w, 0.06 * sheet.h, 0.94 * sheet.w, 0.94 * sheet.h)]
    for _ in range(randint(3, 24, rng)):
        left, top, right, bottom = rooms.pop(0)
        share = uniform(0.3, 0.7, rng)
        if right - left > bottom - top:
            middle = left + share * (right - left)
            rooms += [(left, top, middle, bottom), (middle, top, right, bottom)]
        else:
            middle = top + share * (bottom - top)
            rooms += [(left, top, right, middle), (left, middle, right, bottom)]
    for left, top, right, bottom in rooms:
        draw.rectangle((left, top, right, bottom), outline=sheet.ink, width=wall)
        door = 0.3 * min(right - left, bottom - top)
        if chance(0.7, rng):
            draw.line((left + door, top, left + 2 * door, top), fill=sheet.paper, width=2 * wall)
            draw.arc((left, top - door, left + 2 * door, top + door), 0, 90, fill=sheet.ink, width=sheet.unit)
        if chance(0.3, rng):
            step = randint(6, 24, rng)
            for y in range(int(top), int(bottom), step):
                draw.line((left, y, right, y + (0 if chance(0.2, rng) else step)), fill=sheet.ink, width=1)
        elif right - left > 60:
            size = max(10, round(sheet.h * uniform(0.012, 0.03, rng)))
            sheet.write((left + 0.2 * (right - left), (top + bottom) / 2), words(1, rng), size, font)


def _map(sheet: Sheet, rng: torch.Generator) -> None:
    """Contour lines of smooth hills, with roads and names."""
    field = smooth_field(sheet.h, sheet.w, uniform(3, 14, rng), rng)
    levels = np.floor(field * randint(6, 40, rng))
    is_line = np.zeros(field.shape, bool)
    for shift in range(1, sheet.unit + 1):
        is_line[:, shift:] |= levels[:, shift:] != levels[:, :-shift]
        is_line[shift:] |= levels[shift:] != levels[:-shift]
    if chance(0.4, rng):
        sheet.paste(field < uniform(0.1, 0.4, rng), colour(rng, 150, 256))
    sheet.paste(is_line, colour(rng, 40, 160) if chance(0.4, rng) else None)
    for _ in range(randint(0, 6, rng)):
        start = (uniform(0, sheet.w, rng), uniform(0, sheet.h, rng))
        curve = smooth_curve(start, 12, 80, 0.1, rng)
        sheet.draw.line(curve, fill=colour(rng, 0, 200), width=2 * sheet.unit, joint="curve")
    for _ in range(randint(3, 25, rng)):
        place = (uniform(0, 0.9, rng) * sheet.w, uniform(0, 0.95, rng) * sheet.h)
        sheet.write(place, words(1, rng).capitalize(), randint(12, 40, rng), any_font(rng))


def _tree(sheet: Sheet, rng: torch.Generator) -> None:
    """Boxes with names in rows, joined by lines: family trees, flow charts."""
    rows, font = randint(2, 6, rng), any_font(rng)
    above: list[tuple[float, float]] = []
    for row in range(rows):
        count = min(2**row, randint(2, 9, rng)) if row else 1
        y, width = sheet.h * (row + 0.5) / rows, sheet.w / max(count, 2) * 0.8
        tall, places = sheet.h / rows * uniform(0.2, 0.32, rng), []
        for i in range(count):
            x = sheet.w * (i + 0.5) / count
            box = (x - width / 2, y - tall, x + width / 2, y + tall)
            if above:
                up_x, up_y = above[i * len(above) // count]
                middle = (up_y + y - tall) / 2
                corners = (up_x, up_y, up_x, middle, x, middle, x, y - tall)
                sheet.draw.line(corners, fill=sheet.ink, width=sheet.unit)
            shape = sheet.draw.ellipse if chance(0.1, rng) else sheet.draw.rectangle
            shape(box, outline=sheet.ink, width=sheet.unit)
            size = max(10, round(tall * 0.5))
            for line in range(2):
                sheet.write(
                    (box[0] + size / 2, y - tall * 0.7 + line * size * 1.2),
                    words(2, rng)[: int(width / size * 1.5)],
                    size,
                    font,
                )
            places.append((x, y + tall))
        above = places


def _engraving(sheet: Sheet, rng: torch.Generator) -> None:
    """A soft picture in one or two families of lines that swell where it is dark: engravings, stamps, banknotes."""
    tone = smooth_field(sheet.h, sheet.w, uniform(2, 9, rng), rng)
    y, x = np.mgrid[0 : sheet.h, 0 : sheet.w].astype(np.float32)
    warp = smooth_field(sheet.h, sheet.w, 4, rng) * uniform(0, 60, rng)
    is_ink = np.zeros(tone.shape, bool)
    for family in range(randint(1, 3, rng)):
        angle, period = uniform(0, math.pi, rng), uniform(7, 20, rng)
        wave = 0.5 + 0.5 * np.sin(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle) + warp) / period)
        is_ink |= wave < (0.85 - tone if family == 0 else 0.45 - tone)
    margin = round(uniform(0, 0.15, rng) * min(tone.shape))
    inside = np.zeros(tone.shape, bool)
    inside[margin : sheet.h - margin, margin : sheet.w - margin] = True
    sheet.paste(is_ink & inside)
    if margin > 30:
        box = (margin, margin, sheet.w - margin, sheet.h - margin)
        sheet.draw.rectangle(box, outline=sheet.ink, width=2 * sheet.unit)
        sheet.write((margin, 4), words(3, rng), margin // 2, any_font(rng))


def _sketch(sheet: Sheet, rng: torch.Generator) -> None:
    """Curves, rounds and hatching, some of them filled: drawings, cartoons, patterns."""
    for _ in range(randint(6, 60, rng)):
        start = (uniform(0, sheet.w, rng), uniform(0, sheet.h, rng))
        curve = smooth_curve(start, uniform(4, 14, rng), randint(10, 90, rng), uniform(0.02, 0.6, rng), rng)
        width, kind = sheet.unit * randint(1, 4, rng), randint(0, 8, rng)
        if kind == 0:
            fill = sheet.ink if chance(0.5, rng) else colour(rng, 100, 256)
            sheet.draw.polygon(curve, fill=fill, outline=sheet.ink)
        elif kind == 1:
            lean, gap = uniform(-30, 30, rng), randint(5, 14, rng)
            for i in range(randint(5, 30, rng)):
                ends = (
                    start[0] + i * gap,
                    start[1],
                    start[0] + i * gap + lean,
                    start[1] + uniform(20, 160, rng),
                )
                sheet.draw.line(ends, fill=sheet.ink, width=sheet.unit)
        elif kind == 2:
            r = uniform(4, 120, rng)
            box = (start[0] - r, start[1] - r, start[0] + r, start[1] + uniform(0.5, 1.5, rng) * r)
            sheet.draw.ellipse(box, outline=sheet.ink, width=width)
        else:
            sheet.draw.line(curve, fill=sheet.ink, width=width, joint="curve")


Drawer = Callable[[Sheet, torch.Generator], None]
KINDS: tuple[Drawer, ...] = (
    _chart, _plan, _map, _tree, pages.table, pages.page, pages.page, pages.handwriting, pages.handwriting,
    pages.music, _engraving, _sketch, _sketch,
)  # fmt: skip
