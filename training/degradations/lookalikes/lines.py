"""Single things that look like damage: cords, chains, sprigs, wheels, figures, openings.

Where `things` draws many of a kind, which one tells from damage by their number, these stand alone, on a ground that is
plain: a leash, a watch chain, a twig before snow, a numeral on a card.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from PIL import Image, ImageDraw, ImageFont

from training.degradations.canvas import coverage_of, new_canvas
from training.degradations.fields import clouds
from training.degradations.lookalikes.layer import Layer, any_colour, lit
from training.randomness import chance, log_uniform, randint, uniform

FIGURES = "0123456789"
LETTERS = FIGURES + "ABCDEFGHKLMNPRSTXYabdefghknrst&.-"


def cords(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw one or two leashes, ropes, straps, stems: lines of one width that end at something."""
    image, draw = new_canvas(h, w)
    for _ in range(randint(1, 3, rng)):
        places, width = _curve(image, 60, rng), round(log_uniform(2, 14, rng))
        draw.line(places, fill=randint(150, 256, rng), width=width, joint="curve")
        for x, y in (places[0], places[-1]):
            end = width * uniform(0.5, 3, rng)
            draw.ellipse((x - end, y - end, x + end, y + end), fill=255)
        if width > 3 and chance(0.4, rng):  # twisted
            for (x, y), (x_next, y_next) in pairwise(places):
                across = (y_next - y + x_next - x) / 4, (x - x_next + y_next - y) / 4
                draw.line((x - across[0], y - across[1], x + across[0], y + across[1]), fill=90)
    return lit(image, rng)


def chains(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw a chain or a lace: links along a curve, open or filled, bright where they face the light."""
    image, draw = new_canvas(h, w)
    for _ in range(randint(1, 3, rng)):
        link = uniform(2, 9, rng)
        curve = _curve(image, 400, rng)
        length = sum(math.dist(here, there) for here, there in pairwise(curve))
        step = max(1, round(400 * 1.6 * link / max(length, 1)))
        is_open = link > 4 and chance(0.6, rng)
        for index, (x, y) in enumerate(curve[::step]):
            wide, high = (link, 0.6 * link) if index % 2 else (0.6 * link, link)
            box, light = (x - wide, y - high, x + wide, y + high), randint(110, 256, rng)
            draw.ellipse(box, outline=light, width=2) if is_open else draw.ellipse(box, fill=light)
    links = coverage_of(image)
    return (any_colour(rng) * (0.3 + links)).clamp(0, 1), (1.6 * links).clamp(0, 1)


def sprigs(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw one to five thin twigs that come in from the border, each with some side twigs."""
    image, draw = new_canvas(h, w)
    middle = torch.tensor(image.size) / 2
    for _ in range(randint(1, 6, rng)):
        turn, width = uniform(0, math.tau, rng), log_uniform(1.5, 9, rng)
        x, y = (middle + 1.1 * middle * torch.tensor([math.cos(turn), math.sin(turn)])).tolist()
        _grow(draw, (x, y), turn + math.pi + uniform(-0.6, 0.6, rng), width, randint(6, 22, rng), rng)
    return lit(image, rng)


def _grow(
    draw: ImageDraw.ImageDraw,
    foot: tuple[float, float],
    turn: float,
    width: float,
    joints: int,
    rng: torch.Generator,
) -> None:
    for joint in range(joints):
        length = uniform(8, 40, rng)
        end = (foot[0] + length * math.cos(turn), foot[1] + length * math.sin(turn))
        draw.line((*foot, *end), fill=255, width=max(1, round(width)))
        if width > 1 and chance(0.35, rng):
            aside = turn + uniform(0.3, 1, rng) * (1 if joint % 2 else -1)
            _grow(draw, end, aside, 0.6 * width, joints // 3, rng)
        foot, turn, width = end, turn + uniform(-0.35, 0.35, rng), 0.94 * width


def wheels(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw wheels, fans, parasols: spokes from a hub to a rim, seen at an angle."""
    image, draw = new_canvas(h, w)
    for _ in range(randint(1, 3, rng)):
        x, y = uniform(0, 1, rng) * image.width, uniform(0, 1, rng) * image.height
        radius, flat = uniform(30, 260, rng), uniform(0.35, 1, rng)
        thin, turn, count = randint(1, 5, rng), uniform(0, math.tau, rng), randint(6, 40, rng)
        for spoke in range(count):
            angle = turn + math.tau * spoke / count
            end = (x + flat * radius * math.cos(angle), y + radius * math.sin(angle))
            draw.line((x, y, *end), fill=randint(150, 256, rng), width=thin)
        for share, rim in ((1, thin + randint(0, 6, rng)), (uniform(0.05, 0.2, rng), radius)):
            box = (
                x - share * flat * radius,
                y - share * radius,
                x + share * flat * radius,
                y + share * radius,
            )
            draw.ellipse(box, outline=255, width=round(rim))
    return lit(image, rng)


def figures(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw a numeral or a few words, on a plate or a card or on the picture itself."""
    image, draw = new_canvas(h, w)
    ground = any_colour(rng)
    for _ in range(randint(1, 4, rng)):
        font = ImageFont.load_default(round(log_uniform(14, 120, rng)))
        letters = FIGURES if chance(0.6, rng) else LETTERS
        chosen = torch.randint(0, len(letters), (randint(1, 6, rng),), generator=rng).tolist()
        place = (uniform(-0.05, 0.9, rng) * image.width, uniform(-0.05, 0.9, rng) * image.height)
        draw.text(place, "".join(letters[one] for one in chosen), fill=randint(120, 256, rng), font=font)
    written = coverage_of(image)
    if chance(0.5, rng):
        return ground.expand(3, h, w), written * uniform(0.5, 1, rng)
    card, pen = new_canvas(h, w)
    left, top = uniform(-0.2, 0.6, rng) * card.width, uniform(-0.2, 0.6, rng) * card.height
    right, bottom = (start + uniform(60, 500, rng) for start in (left, top))
    pen.rectangle((left, top, right, bottom), fill=255)
    plate = coverage_of(card)
    return ground * (1 - written) + (1 - ground) * written, plate * uniform(0.6, 1, rng)


def openings(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw holes, keyholes, buttons, nails, knots in wood: a few small spots with sharp rims, most of one form."""
    image, draw = new_canvas(h, w)
    radius, corners = uniform(2, 24, rng), randint(3, 14, rng)
    own = 0.5 + torch.rand(corners, generator=rng)
    turns = torch.linspace(0, math.tau, corners + 1)[:-1]
    outline = torch.stack([turns.cos(), turns.sin()], 1) * (radius * own)[:, None]
    for _ in range(randint(1, 9, rng)):
        middle = torch.rand(2, generator=rng) * torch.tensor(image.size)
        size = uniform(0.6, 1.2, rng)
        draw.polygon([tuple(place) for place in (middle + size * outline).tolist()], fill=255)
    coverage = coverage_of(image)
    colour = any_colour(rng, bright=chance(0.3, rng)) + 0.1 * clouds(h, w, uniform(2, 8, rng), rng)
    return colour.clamp(0, 1), coverage * uniform(0.6, 1, rng)


def _curve(image: Image.Image, count: int, rng: torch.Generator) -> list[tuple[float, float]]:
    """Places on a smooth curve (Bezier's, of four corners) that lies mostly in a canvas."""
    size = torch.tensor(image.size)
    corners = (1.2 * torch.rand((4, 2), generator=rng) - 0.1) * size
    if chance(0.6, rng):  # it hardly bends
        share = torch.tensor([0, 0.33, 0.67, 1])[:, None]
        corners = torch.lerp(torch.lerp(corners[:1], corners[3:], share), corners, uniform(0, 0.5, rng))
    at = torch.linspace(0, 1, count)[:, None]
    weights = ((1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at**2 * (1 - at), at**3)
    places = sum(weight * corner for weight, corner in zip(weights, corners, strict=True))
    return [(x, y) for x, y in torch.as_tensor(places).tolist()]
