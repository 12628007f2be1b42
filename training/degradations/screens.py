"""Screenshots and flat graphics made in code: windows, lists, terminals, tables, games, posters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from training.degradations.sheets import Colour, any_font, as_tensor, colour, font_of, smooth_curve, words
from training.randomness import chance, pick, randint, uniform


def draw_screenshot(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Draw what a screen may show, (3, H, W) in [0, 1]; crisp, without noise or JPEG artefacts."""
    is_dark = chance(0.35, rng)
    ground = colour(rng, 10, 60) if is_dark else colour(rng, 215, 256)
    image = Image.new("RGB", (w, h), ground)
    pick(KINDS, rng)(Screen(image, ImageDraw.Draw(image), is_dark), rng)
    return as_tensor(image)


@dataclass(frozen=True, slots=True)
class Screen:
    """A canvas, its pen, and whether light stands on dark."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    is_dark: bool

    def ink(self, rng: torch.Generator) -> Colour:
        """Draw a colour that can be read on the screen's ground."""
        return colour(rng, 170, 256) if self.is_dark else colour(rng, 0, 110)


def _windows(screen: Screen, rng: torch.Generator) -> None:
    """Windows above each other, with bars, buttons and text."""
    image, draw = screen.image, screen.draw
    for _ in range(randint(1, 5, rng)):
        left, top = uniform(-0.1, 0.5, rng) * image.width, uniform(0, 0.5, rng) * image.height
        wide, tall = uniform(0.3, 1, rng) * image.width, uniform(0.3, 1, rng) * image.height
        box, bar = (left, top, left + wide, top + tall), randint(16, 40, rng)
        fill = colour(rng, 20, 70) if screen.is_dark else colour(rng, 225, 256)
        draw.rounded_rectangle(box, randint(0, 14, rng), fill=fill, outline=colour(rng))
        draw.rectangle((left, top, left + wide, top + bar), fill=colour(rng))
        draw.text(
            (left + 8, top + 3),
            words(3, rng),
            fill=screen.ink(rng),
            font=font_of(any_font(rng), max(8, bar - 14)),
        )
        _lines(screen, (left + 12, top + bar + 8, left + wide - 12, top + tall - 50), rng)
        for i in range(randint(0, 4, rng)):
            x, y = left + 12 + i * 96, top + tall - 38
            draw.rounded_rectangle((x, y, x + 84, y + 26), 6, fill=colour(rng))
            draw.text((x + 10, y + 5), words(1, rng)[:8], fill=colour(rng, 170, 256), font=font_of(None, 13))


def _lines(screen: Screen, box: tuple[float, float, float, float], rng: torch.Generator) -> None:
    """A list: icons and text."""
    draw = screen.draw
    left, y, right, bottom = box
    size, font, has_icons = randint(10, 24, rng), any_font(rng), chance(0.5, rng)
    while y < bottom - size:
        if has_icons:
            draw.ellipse((left, y, left + size, y + size), fill=colour(rng))
        indent = left + (1.6 * size if has_icons else 0) + size * randint(0, 3, rng)
        text = words(randint(1, 9, rng), rng)[: max(1, int((right - indent) / size * 1.7))]
        draw.text((indent, y), text, fill=screen.ink(rng), font=font_of(font, size))
        y += size * uniform(1.3, 2.2, rng)


def _terminal(screen: Screen, rng: torch.Generator) -> None:
    """Text from border to border in a few colours: terminals, editors."""
    image, draw = screen.image, screen.draw
    inks = [screen.ink(rng) for _ in range(randint(1, 6, rng))]
    size, font = randint(10, 22, rng), any_font(rng)
    for y in range(4, image.height, round(size * 1.35)):
        x = 4.0 + size * randint(0, 8, rng)
        for _ in range(randint(0, 9, rng)):
            text = words(1, rng) + pick(("", "(", ")", ":", " =", ";", "()"), rng)
            draw.text((x, y), text, fill=pick(inks, rng), font=font_of(font, size))
            x += font_of(font, size).getlength(text) + size / 2


def _page(screen: Screen, rng: torch.Generator) -> None:
    """Cards in a grid below a bar: web pages, shops, dashboards."""
    image, draw = screen.image, screen.draw
    bar = randint(20, 80, rng)
    draw.rectangle((0, 0, image.width, bar), fill=colour(rng))
    draw.text(
        (16, bar / 4), words(4, rng), fill=screen.ink(rng), font=font_of(any_font(rng), max(9, bar // 2))
    )
    columns, gap = min(randint(1, 5, rng), 1 + image.width // 100), randint(6, 30, rng)
    wide = (image.width - gap) / columns
    tall = max(gap + 8.0, wide * uniform(0.5, 1.4, rng))
    for row in range(int((image.height - bar) / tall) + 1):
        for column in range(columns):
            left, top = gap + column * wide, bar + gap + row * tall
            right, bottom = left + wide - gap, top + tall - gap
            draw.rounded_rectangle(
                (left, top, right, bottom),
                8,
                fill=colour(rng, 40, 80) if screen.is_dark else colour(rng, 235, 256),
                outline=colour(rng),
            )
            if chance(0.6, rng):
                draw.rectangle((left, top, right, (top + bottom) / 2), fill=colour(rng))
            if chance(0.3, rng):
                curve = [
                    (left + (right - left) * i / 9, bottom - uniform(0.05, 0.45, rng) * tall)
                    for i in range(10)
                ]
                draw.line(curve, fill=colour(rng), width=2)
            else:
                _lines(screen, (left + 8, (top + bottom) / 2 + 6, right - 8, bottom - 4), rng)


def _cells(screen: Screen, rng: torch.Generator) -> None:
    """A sheet of cells with numbers."""
    image, draw = screen.image, screen.draw
    wide, tall = randint(40, 130, rng), randint(16, 34, rng)
    font, ink, rule = font_of(any_font(rng), tall - 6), screen.ink(rng), colour(rng, 120, 200)
    for y in range(0, image.height, tall):
        draw.line((0, y, image.width, y), fill=rule)
        for x in range(0, image.width, wide):
            if chance(0.1, rng):
                draw.rectangle((x, y, x + wide, y + tall), fill=colour(rng))
            if chance(0.6, rng):
                draw.text((x + 4, y + 2), str(randint(0, 99999, rng)), fill=ink, font=font)
    for x in range(0, image.width, wide):
        draw.line((x, 0, x, image.height), fill=rule)


def _game(screen: Screen, rng: torch.Generator) -> None:
    """Coarse pixels in few colours: tiles, sprites, a line of figures above."""
    image, draw = screen.image, screen.draw
    size, inks = randint(3, 14, rng), [colour(rng) for _ in range(randint(4, 12, rng))]
    sprites = [torch.randint(0, len(inks), (8, 8), generator=rng) for _ in range(randint(2, 7, rng))]
    for top in range(0, image.height, 8 * size):
        for left in range(0, image.width, 8 * size):
            sprite = pick(sprites, rng) if chance(0.4, rng) else None
            ground = inks[0] if chance(0.7, rng) else pick(inks, rng)
            draw.rectangle((left, top, left + 8 * size, top + 8 * size), fill=ground)
            for place, index in enumerate(sprite.flatten().tolist() if sprite is not None else ()):
                x, y = left + place % 8 * size, top + place // 8 * size
                draw.rectangle((x, y, x + size - 1, y + size - 1), fill=inks[index])
    draw.text(
        (8, 6), f"SCORE {randint(0, 99999, rng):05d}", fill=(255, 255, 255), font=font_of(None, 3 * size + 8)
    )


def _flat(screen: Screen, rng: torch.Generator) -> None:
    """Flat shapes in clear colours: logos, posters, vector graphics; their ground may be a slope of colour."""
    image, draw = screen.image, screen.draw
    if chance(0.4, rng):
        first, last = torch.tensor(colour(rng)).float(), torch.tensor(colour(rng)).float()
        for row in range(image.height):
            red, green, blue = torch.lerp(first, last, row / image.height).long().tolist()
            draw.line((0, row, image.width, row), fill=(red, green, blue))
    for _ in range(randint(3, 30, rng)):
        x, y = uniform(-0.1, 1, rng) * image.width, uniform(-0.1, 1, rng) * image.height
        wide, tall = uniform(0.02, 0.5, rng) * image.width, uniform(0.02, 0.5, rng) * image.height
        kind = randint(0, 5, rng)
        if kind == 0:
            draw.ellipse((x, y, x + wide, y + wide), fill=colour(rng))
        elif kind == 1:
            draw.rounded_rectangle((x, y, x + wide, y + tall), 12, fill=colour(rng))
        elif kind == 2:
            draw.polygon(smooth_curve((x, y), wide / 10, 30, 0.4, rng), fill=colour(rng))
        elif kind == 3:
            draw.line((x, y, x + wide, y + tall), fill=colour(rng), width=randint(1, 20, rng))
        else:
            draw.text(
                (x, y), words(2, rng), fill=colour(rng), font=font_of(any_font(rng), randint(12, 90, rng))
            )


Drawer = Callable[[Screen, torch.Generator], None]
KINDS: tuple[Drawer, ...] = (_windows, _terminal, _page, _cells, _game, _flat, _flat)
