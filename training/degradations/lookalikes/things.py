"""Things that look like damage, drawn by strokes: twigs, grass, rails, snow, beads, strings, ribbons, mounts."""

from __future__ import annotations

import math

import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

from training.degradations.canvas import coverage_of, new_canvas
from training.degradations.fading import blur
from training.degradations.fields import clouds
from training.degradations.lookalikes.layer import Layer, any_colour, lit, region
from training.randomness import chance, randint, uniform


def twigs(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw bare trees and bushes, roots, veins: thick stems that branch into thin ones."""
    image, draw = new_canvas(h, w)
    for _ in range(randint(1, 4, rng)):
        foot = (uniform(0, image.width, rng), uniform(0.6, 1.1, rng) * image.height)
        length = uniform(0.12, 0.3, rng) * image.height
        _branch(draw, foot, uniform(-0.4, 0.4, rng), length, uniform(3, 22, rng), rng)
    return lit(image, rng)


def _branch(
    draw: ImageDraw.ImageDraw,
    foot: tuple[float, float],
    lean: float,
    length: float,
    width: float,
    rng: torch.Generator,
) -> None:
    if width < 1 or length < 4:
        return
    for _ in range(randint(2, 5, rng)):
        end = (foot[0] + length * math.sin(lean), foot[1] - length * math.cos(lean))
        draw.line((*foot, *end), fill=255, width=max(1, round(width)))
        if chance(0.7, rng):
            side = lean + uniform(0.3, 1.1, rng) * (1 if chance(0.5, rng) else -1)
            _branch(draw, end, side, length * uniform(0.5, 0.9, rng), width * uniform(0.4, 0.75, rng), rng)
        foot, width, lean = end, 0.85 * width, lean + uniform(-0.35, 0.35, rng)


def grass(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw grass, straw, fur, hair: strokes in their thousands, each with its own light."""
    image, draw = new_canvas(h, w)
    lean, spread = uniform(-math.pi, math.pi, rng), uniform(0.1, 0.9, rng)
    length, width = uniform(8, 70, rng), randint(1, 5, rng)
    count = min(5000, int(uniform(0.3, 2, rng) * image.width * image.height / (length * width)))
    starts = torch.rand((count, 2), generator=rng) * torch.tensor([image.width, image.height])
    angles = lean + spread * torch.randn(count, generator=rng)
    light = (40 + 215 * torch.rand(count, generator=rng)).int()
    for (x, y), angle, value in zip(starts.tolist(), angles.tolist(), light.tolist(), strict=True):
        bent = angle + 0.3
        middle = (x + length / 2 * math.cos(angle), y + length / 2 * math.sin(angle))
        end = (middle[0] + length / 2 * math.cos(bent), middle[1] + length / 2 * math.sin(bent))
        draw.line((x, y, *middle, *end), fill=value, width=width)
    strokes = coverage_of(image)
    return any_colour(rng) * strokes, (4 * strokes).clamp(0, 1) * region(h, w, rng)


def rails(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw rails, furrows, planks, spokes, rays: long lines that meet, at times with crossbars between them."""
    image, draw = new_canvas(h, w)
    wide, high = image.size
    meet = (uniform(-0.2, 1.2, rng) * wide, uniform(-0.3, 0.8, rng) * high)
    reach, width = uniform(0.1, 1.5, rng) * max(wide, high), randint(1, 14, rng)
    near = uniform(0, 0.3, rng) * reach
    turn, step = uniform(0, math.tau, rng), uniform(0.03, 0.5, rng)
    for index in range(randint(5, 30, rng)):
        angle = turn + index * step
        cos, sin = math.cos(angle), math.sin(angle)
        start, end = ((meet[0] + far * cos, meet[1] + far * sin) for far in (near, reach))
        across = width / 2 / reach
        corners = [start, (end[0] - across * reach * sin, end[1] + across * reach * cos)]
        corners.append((end[0] + across * reach * sin, end[1] - across * reach * cos))
        draw.polygon(corners, fill=255)
    for share in torch.linspace(0.1, 1, randint(2, 20, rng)).tolist() if chance(0.4, rng) else ():
        far = reach * share**2
        box = (meet[0] - far, meet[1] - far, meet[0] + far, meet[1] + far)
        draw.arc(box, math.degrees(turn), math.degrees(turn + 3), fill=255, width=max(1, width // 2))
    return lit(image, rng)


def snow(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw snow, foam, gravel, blossoms: round spots, too many to be taken for dust."""
    image, draw = new_canvas(h, w)
    largest = uniform(3, 16, rng)
    count = min(5000, int(uniform(0.02, 0.15, rng) * image.width * image.height / largest))
    spots = torch.rand((count, 4), generator=rng)
    for x, y, size, stretch in spots.tolist():
        radius = 0.7 + largest * size**3
        tall = radius * (0.6 + 0.8 * stretch)
        left, top = x * image.width - radius, y * image.height - tall
        draw.ellipse((left, top, left + 2 * radius, top + 2 * tall), fill=int(255 - 120 * stretch))
    spots = coverage_of(image)
    colour = any_colour(rng, bright=chance(0.8, rng))
    return colour.expand(3, h, w), spots * region(h, w, rng)


def beads(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw pearls, buttons, lamps, stars: spots of one kind along a string or far apart, each with its light."""
    image, draw = new_canvas(h, w)
    radius, pitch = uniform(1.2, 14, rng), uniform(2, 5, rng)
    if chance(0.6, rng):  # on strings
        places = [place for _ in range(randint(1, 4, rng)) for place in _along(image, pitch * radius, rng)]
    else:
        places = (torch.rand((randint(3, 40, rng), 2), generator=rng) * torch.tensor(image.size)).tolist()
    lit = uniform(-0.5, 0.5, rng), uniform(-0.5, 0.5, rng)
    for x, y in places:
        size = radius * uniform(0.7, 1.3, rng)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=150)
        at, down, spot = x + lit[0] * size, y + lit[1] * size, 0.4 * size
        draw.ellipse((at - spot, down - spot, at + spot, down + spot), fill=255)
    spots = coverage_of(image)
    return (any_colour(rng) * (0.4 + spots)).clamp(0, 1), (2 * spots).clamp(0, 1)


def strings(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw strings, cables, whiskers, strands: thin lines side by side that hardly bend."""
    image, draw = new_canvas(h, w)
    width, count = randint(1, 7, rng), randint(2, 16, rng)
    first = torch.rand((2, 2), generator=rng) * torch.tensor(image.size)
    apart = torch.randn((2, 2), generator=rng) * uniform(4, 40, rng)
    sag = torch.randn(2, generator=rng) * uniform(0, 60, rng)
    for index in range(count):
        start, end = (first + index * apart + 3 * torch.randn((2, 2), generator=rng)).unbind()
        share = torch.linspace(-0.5, 1.5, 24)[:, None]
        line = torch.lerp(start, end, share) + 4 * share * (1 - share) * sag
        draw.line(line.flatten().tolist(), fill=255, width=width, joint="curve")
    return lit(image, rng)


def ribbons(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw bows, ribbons, petals, leaves, birds: small bright or dark things with sharp rims and folds."""
    image, draw = new_canvas(h, w)
    for _ in range(randint(1, 8, rng)):
        middle = torch.rand(2, generator=rng) * torch.tensor(image.size)
        turns = torch.linspace(0, math.tau, randint(5, 9, rng) * 4)
        lobes, reach = randint(2, 6, rng), uniform(8, 80, rng)
        radius = reach * (0.35 + (turns * lobes / 2 + uniform(0, 3, rng)).cos().abs())
        outline = middle + torch.stack([turns.cos(), uniform(0.4, 1, rng) * turns.sin()], 1) * radius[:, None]
        draw.polygon([tuple(place) for place in outline.tolist()], fill=255)
    coverage = coverage_of(image)
    folds = 0.25 * clouds(h, w, uniform(3, 12, rng), rng)
    return (any_colour(rng, bright=chance(0.7, rng)) + folds * coverage).clamp(0, 1), coverage


def mounts(h: int, w: int, rng: torch.Generator) -> Layer:
    """Draw what lies around a print: the rim of a card or mount, with a ruled line, a number or a shadow beside it."""
    image, draw = new_canvas(h, w)
    across, along, lean = image.width, image.height, uniform(-0.04, 0.04, rng)
    rim, far = uniform(0.55, 0.95, rng) * across, 2 * across
    draw.polygon(
        [(rim, -along), (rim + 3 * lean * along, 2 * along), (far, 2 * along), (far, -along)], fill=255
    )
    for _ in range(randint(0, 3, rng)):
        at = rim + uniform(2, 60, rng)
        line = (at, -along, at + 3 * lean * along, 2 * along)
        draw.line(line, fill=randint(0, 200, rng), width=randint(1, 7, rng))
    if chance(0.4, rng):
        font = ImageFont.load_default(randint(16, 60, rng))
        number = str(randint(1, 9999, rng))
        draw.text((rim + 12, uniform(0, 0.9, rng) * along), number, fill=randint(0, 160, rng), font=font)
    coverage = coverage_of(image).rot90(randint(0, 4, rng), (-2, -1))
    if coverage.shape[-2:] != (h, w):
        coverage = F.interpolate(coverage[None], (h, w), mode="bilinear", antialias=True)[0]
    paper = any_colour(rng, bright=chance(0.7, rng)).expand(3, h, w)
    shadow = uniform(0, 0.4, rng) * (blur(coverage, uniform(1, 8, rng)) - coverage).clamp(0, 1)
    return (paper - shadow).clamp(0, 1), (coverage + shadow).clamp(0, 1)


def _along(image: Image.Image, pitch_px: float, rng: torch.Generator) -> list[list[float]]:
    """Places on an arc or a line through a canvas, `pitch_px` apart."""
    corners = torch.rand((3, 2), generator=rng) * torch.tensor(image.size)
    count = min(400, max(3, round(float((corners[2] - corners[0]).norm()) / pitch_px)))
    share = torch.linspace(0, 1, count)[:, None]
    places: list[list[float]] = torch.lerp(
        torch.lerp(corners[0], corners[1], share), torch.lerp(corners[1], corners[2], share), share
    ).tolist()
    return places
