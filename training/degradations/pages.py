"""Pages: print, tables, handwriting, music. Drawn on a `Sheet` from `rng`."""

from __future__ import annotations

import math

import numpy as np
import torch

from training.degradations.sheets import Sheet, any_font, colour, font_of, words
from training.randomness import chance, randint, uniform


def table(sheet: Sheet, rng: torch.Generator) -> None:
    """Draw rows of words and numbers between rules."""
    rows, columns, font = randint(4, 30, rng), randint(2, 9, rng), any_font(rng)
    left, top, right, bottom = 0.05 * sheet.w, 0.08 * sheet.h, 0.95 * sheet.w, 0.95 * sheet.h
    tall, wide = (bottom - top) / rows, (right - left) / columns
    for row in range(rows + 1):
        y = top + row * tall
        sheet.draw.line((left, y, right, y), fill=sheet.ink, width=sheet.unit)
        for column in range(columns if row < rows else 0):
            text = str(randint(0, 99999, rng)) if column else words(1, rng)
            sheet.write((left + column * wide + 6, y + 0.2 * tall), text, max(9, round(0.55 * tall)), font)
    for column in range(columns + 1 if chance(0.7, rng) else 0):
        x = left + column * wide
        sheet.draw.line((x, top, x, bottom), fill=sheet.ink, width=sheet.unit)


def page(sheet: Sheet, rng: torch.Generator) -> None:
    """Draw columns of print, with headings."""
    columns, font = randint(1, 4, rng), any_font(rng)
    size = max(10, round(sheet.w * uniform(0.014, 0.05, rng)))
    wide = sheet.w * 0.9 / columns
    for column in range(columns):
        x, y = 0.05 * sheet.w + column * wide, uniform(0.03, 0.1, rng) * sheet.h
        limit = int(wide * 0.92)
        while y < 0.95 * sheet.h:
            is_heading = chance(0.06, rng)
            used = round(size * 1.8) if is_heading else size
            text = words(3 if is_heading else 14, rng)
            length = max(1, round(len(text) * limit / max(1.0, font_of(font, used).getlength(text))))
            sheet.write(
                (x, y), text[: randint(3, length + 3, rng) if chance(0.15, rng) else length], used, font
            )
            y += used * uniform(1.2, 1.6, rng) + (size if chance(0.08, rng) else 0)


def handwriting(sheet: Sheet, rng: torch.Generator) -> None:
    """Draw lines of loops that lean alike, as joined script."""
    size, lean = sheet.h * uniform(0.02, 0.08, rng), uniform(-0.1, 0.8, rng)
    gap, width = uniform(2.2, 3.4, rng) * size, max(2, round(size * uniform(0.06, 0.18, rng)))
    if chance(0.3, rng):
        for y in np.arange(2 * gap, sheet.h, gap):
            sheet.draw.line((0, y, sheet.w, y), fill=colour(rng, 120, 220), width=1)
    for baseline in np.arange(2 * gap, 0.97 * sheet.h, gap).tolist():
        x, stop = uniform(0.04, 0.15, rng) * sheet.w, uniform(0.6, 0.97, rng) * sheet.w
        while x < stop:
            letters = randint(2, 9, rng)
            along = torch.linspace(0, letters, 10 * letters)
            tall = torch.where(torch.rand(letters + 1, generator=rng) < 0.25, 1.7, 0.7)
            tall = tall * (0.7 + 0.6 * torch.rand(letters + 1, generator=rng))
            up = 0.5 * tall[along.long()] * (1 - (2 * math.pi * along).cos()) * size
            sway = uniform(0.1, 0.5, rng) * (2 * math.pi * along).sin() * size
            across = x + along * size * 0.7 + sway + lean * up
            down = baseline - up + 0.05 * size * torch.randn(len(along), generator=rng)
            curve = list(zip(across.tolist(), down.tolist(), strict=True))
            sheet.draw.line(curve, fill=sheet.ink, width=width, joint="curve")
            x += (letters + uniform(0.6, 1.4, rng)) * size * 0.7


def music(sheet: Sheet, rng: torch.Generator) -> None:
    """Draw staves with notes, stems, beams and bars."""
    gap = max(5.0, sheet.h * uniform(0.008, 0.025, rng))
    for top in np.arange(3 * gap, sheet.h - 6 * gap, uniform(9, 13, rng) * gap).tolist():
        for line in range(5):
            y = top + line * gap
            sheet.draw.line(
                (0.05 * sheet.w, y, 0.95 * sheet.w, y), fill=sheet.ink, width=max(1, sheet.unit // 2)
            )
        x, before = 0.08 * sheet.w, None
        while x < 0.93 * sheet.w:
            y, stem = top + randint(-1, 10, rng) * gap / 2, uniform(3, 4, rng) * gap
            is_full = chance(0.7, rng)
            box = (x - 0.65 * gap, y - 0.45 * gap, x + 0.65 * gap, y + 0.45 * gap)
            sheet.draw.ellipse(box, fill=sheet.ink if is_full else None, outline=sheet.ink, width=2)
            sheet.draw.line((x + 0.6 * gap, y, x + 0.6 * gap, y - stem), fill=sheet.ink, width=2)
            if before and chance(0.4, rng):
                sheet.draw.line((*before, x + 0.6 * gap, y - stem), fill=sheet.ink, width=round(0.5 * gap))
            before = (x + 0.6 * gap, y - stem)
            x += uniform(2, 6, rng) * gap
            if chance(0.12, rng):
                sheet.draw.line((x, top, x, top + 4 * gap), fill=sheet.ink, width=2)
                x += 2 * gap
