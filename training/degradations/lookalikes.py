"""What looks like damage and is none: cloth, nets, twigs, grass, rails, facades, snow, beads, strings, ribbons.

Drawn into photographs and never labelled, as `structure` is; but where that draws flat lines, this draws things, with
their light, their unevenness and their surroundings out of focus. Pure: everything is drawn from `rng`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from training.degradations.fading import blur
from training.randomness import chance, pick, randint, uniform

Layer = tuple[Tensor, Tensor]
"""Colour (3, H, W), and how much of the picture it covers (1, H, W), both in [0, 1]."""


def draw_lookalike(gt: Tensor, rng: torch.Generator) -> Tensor:
    """Draw one kind of thing over a photograph (3, H, W) in [0, 1]; the result is part of the picture."""
    colour, coverage = pick(KINDS, rng)(*gt.shape[-2:], rng)
    if chance(0.4, rng):  # what lies behind is out of focus
        gt = blur(gt, uniform(1, 4, rng))
    drawn = torch.lerp(gt, colour, coverage)
    return (blur(drawn, uniform(0.3, 0.9, rng)) if chance(0.7, rng) else drawn).clamp(0, 1)


def _cloth(h: int, w: int, rng: torch.Generator) -> Layer:
    """Plain weave, twill or herringbone, its threads in up to three colours."""
    rows, columns = _places(h, w, rng)
    pitch = uniform(2.5, 9, rng)
    row, column = (rows / pitch).floor(), (columns / pitch).floor()
    period = randint(2, 5, rng)
    side = 1 - 2 * (column // randint(6, 20, rng) % 2) if chance(0.4, rng) else 1
    over = ((row + side * column) % period) < period // 2
    colours = torch.lerp(_colour(rng), torch.rand((3, 3, 1, 1), generator=rng), uniform(0, 0.8, rng))
    band = randint(3, 16, rng)
    thread = torch.where(over, column, row) // band % 3
    round_ = (math.pi * torch.where(over, columns, rows) / pitch).sin().abs()
    shade = 1 - uniform(0.2, 0.7, rng) * (1 - round_)
    return colours[thread.long()].squeeze((3, 4)).permute(2, 0, 1) * shade, _region(h, w, rng)


def _knitting(h: int, w: int, rng: torch.Generator) -> Layer:
    """Rows of stitches, each of two leaning loops; ribs at times."""
    rows, columns = _places(h, w, rng)
    wide, high = uniform(6, 26, rng), uniform(5, 18, rng)
    across = columns % wide / wide - 0.5
    lean = uniform(0.3, 1.4, rng) * wide / high
    loops = (math.pi * (rows / high - lean * across.abs())).sin().abs()
    gaps = (math.pi * across).cos().abs() ** uniform(0.3, 1, rng)
    if chance(0.3, rng):
        gaps = gaps * (0.6 + 0.4 * (columns / (wide * randint(2, 5, rng)) * math.pi).sin().abs())
    shade = 1 - uniform(0.3, 0.8, rng) * (1 - loops * gaps)
    return _colour(rng) * shade * (1 + 0.1 * _clouds(h, w, 2, rng)), _region(h, w, rng)


def _net(h: int, w: int, rng: torch.Generator) -> Layer:
    """A net, a wire fence, lace: meshes of thin threads, at times with filled ones between."""
    rows, columns = _places(h, w, rng)
    mesh, thick = uniform(6, 40, rng), uniform(0.8, 3, rng)
    first, second = (columns + rows) / mesh, (columns - uniform(0.6, 1.6, rng) * rows) / mesh
    wave = uniform(0, 0.25, rng)
    first, second = first + wave * (math.tau * second).sin(), second + wave * (math.tau * first).sin()
    near = torch.minimum((first - first.round()).abs(), (second - second.round()).abs()) * mesh
    threads = (thick - near + 0.5).clamp(0, 1)
    if chance(0.5, rng):
        filled = _field_of(first, second, rng) < uniform(0.05, 0.4, rng)
        threads = torch.maximum(threads, 0.8 * filled)
    return _colour(rng) * (1 + 0.15 * _clouds(h, w, 3, rng)), threads[None] * _region(h, w, rng)


def _facade(h: int, w: int, rng: torch.Generator) -> Layer:
    """Windows, bricks, tiles, a chessboard: the same piece again and again, seen at an angle."""
    rows, columns = _places(h, w, rng, bend=0)
    away = 1 + uniform(-0.6, 0.6, rng) * columns / w
    rows = (rows - uniform(0, h, rng)) * away
    high, wide = uniform(4, 50, rng), uniform(4, 50, rng)
    row = (rows / high).floor()
    shift = 0.5 * (row % 2) if chance(0.4, rng) else 0
    row_in, column_in = rows / high - row, (columns / wide + shift) % 1
    if chance(0.25, rng):
        inside = ((row + (columns / wide).floor()) % 2).float()
    else:
        joint = uniform(0.06, 0.4, rng)
        inside = ((row_in > joint) & (column_in > joint)).float()
    own = 1 + uniform(0, 0.5, rng) * (_field_of(rows / high, columns / wide, rng) - 0.5)
    return torch.lerp(_colour(rng), _colour(rng) * own, inside), _region(h, w, rng)


def _twigs(h: int, w: int, rng: torch.Generator) -> Layer:
    """Bare trees and bushes, roots, veins: thick stems that branch into thin ones."""
    image, draw = _canvas(h, w)
    for _ in range(randint(1, 4, rng)):
        foot = (uniform(0, image.width, rng), uniform(0.6, 1.1, rng) * image.height)
        length = uniform(0.12, 0.3, rng) * image.height
        _branch(draw, foot, uniform(-0.4, 0.4, rng), length, uniform(3, 22, rng), rng)
    return _lit(image, rng)


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


def _grass(h: int, w: int, rng: torch.Generator) -> Layer:
    """Grass, straw, fur, hair: strokes in their thousands, each with its own light."""
    image, draw = _canvas(h, w)
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
    strokes = _as_tensor(image)
    return _colour(rng) * strokes, (4 * strokes).clamp(0, 1) * _region(h, w, rng)


def _rails(h: int, w: int, rng: torch.Generator) -> Layer:
    """Rails, furrows, planks, spokes, rays: long lines that meet, between them now and then crossbars."""
    image, draw = _canvas(h, w)
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
    return _lit(image, rng)


def _snow(h: int, w: int, rng: torch.Generator) -> Layer:
    """Snow, foam, gravel, blossoms: round spots, so many that nobody takes them for dust."""
    image, draw = _canvas(h, w)
    largest = uniform(3, 16, rng)
    count = min(5000, int(uniform(0.02, 0.15, rng) * image.width * image.height / largest))
    spots = torch.rand((count, 4), generator=rng)
    for x, y, size, stretch in spots.tolist():
        radius = 0.7 + largest * size**3
        tall = radius * (0.6 + 0.8 * stretch)
        left, top = x * image.width - radius, y * image.height - tall
        draw.ellipse((left, top, left + 2 * radius, top + 2 * tall), fill=int(255 - 120 * stretch))
    spots = _as_tensor(image)
    colour = _colour(rng, bright=chance(0.8, rng))
    return colour.expand(3, h, w), spots * _region(h, w, rng)


def _beads(h: int, w: int, rng: torch.Generator) -> Layer:
    """Pearls, buttons, lamps, stars: spots of one kind along a string or far apart, each with its light."""
    image, draw = _canvas(h, w)
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
    spots = _as_tensor(image)
    return (_colour(rng) * (0.4 + spots)).clamp(0, 1), (2 * spots).clamp(0, 1)


def _strings(h: int, w: int, rng: torch.Generator) -> Layer:
    """Strings, cables, whiskers, strands: thin lines side by side that hardly bend."""
    image, draw = _canvas(h, w)
    width, count = randint(1, 7, rng), randint(2, 16, rng)
    first = torch.rand((2, 2), generator=rng) * torch.tensor(image.size)
    apart = torch.randn((2, 2), generator=rng) * uniform(4, 40, rng)
    sag = torch.randn(2, generator=rng) * uniform(0, 60, rng)
    for index in range(count):
        start, end = (first + index * apart + 3 * torch.randn((2, 2), generator=rng)).unbind()
        share = torch.linspace(-0.5, 1.5, 24)[:, None]
        line = torch.lerp(start, end, share) + 4 * share * (1 - share) * sag
        draw.line(line.flatten().tolist(), fill=255, width=width, joint="curve")
    return _lit(image, rng)


def _ribbons(h: int, w: int, rng: torch.Generator) -> Layer:
    """Bows, ribbons, petals, leaves, birds: small bright or dark things with sharp rims and folds."""
    image, draw = _canvas(h, w)
    for _ in range(randint(1, 8, rng)):
        middle = torch.rand(2, generator=rng) * torch.tensor(image.size)
        turns = torch.linspace(0, math.tau, randint(5, 9, rng) * 4)
        lobes, reach = randint(2, 6, rng), uniform(8, 80, rng)
        radius = reach * (0.35 + (turns * lobes / 2 + uniform(0, 3, rng)).cos().abs())
        outline = middle + torch.stack([turns.cos(), uniform(0.4, 1, rng) * turns.sin()], 1) * radius[:, None]
        draw.polygon([tuple(place) for place in outline.tolist()], fill=255)
    coverage = _as_tensor(image)
    folds = 0.25 * _clouds(h, w, uniform(3, 12, rng), rng)
    return (_colour(rng, bright=chance(0.7, rng)) + folds * coverage).clamp(0, 1), coverage


def _along(image: Image.Image, pitch_px: float, rng: torch.Generator) -> list[list[float]]:
    """Places on an arc or a line through a canvas, `pitch_px` apart."""
    corners = torch.rand((3, 2), generator=rng) * torch.tensor(image.size)
    count = min(400, max(3, round(float((corners[2] - corners[0]).norm()) / pitch_px)))
    share = torch.linspace(0, 1, count)[:, None]
    places: list[list[float]] = torch.lerp(
        torch.lerp(corners[0], corners[1], share), torch.lerp(corners[1], corners[2], share), share
    ).tolist()
    return places


def _canvas(h: int, w: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Twice as large as the picture, for smooth edges."""
    image = Image.new("L", (2 * w, 2 * h))
    return image, ImageDraw.Draw(image)


def _as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image.reduce(2))).float().div_(255)[None]


def _lit(image: Image.Image, rng: torch.Generator) -> Layer:
    """What was drawn, bright on one side and dark on the other, or as a silhouette."""
    coverage = _as_tensor(image)
    slope = blur(coverage, 1)
    side = (slope.roll(1, -1) - slope.roll(-1, -1)) * uniform(-0.8, 0.8, rng)
    colour = (_colour(rng) + side * (1 + 0.1 * _clouds(*coverage.shape[-2:], 3, rng))).clamp(0, 1)
    return colour, coverage * uniform(0.6, 1, rng)


def _places(h: int, w: int, rng: torch.Generator, bend: float = 3.0) -> tuple[Tensor, Tensor]:
    """Rows and columns (H, W) in px, turned, and bent like cloth by some px."""
    y, x = torch.meshgrid(torch.arange(float(h)), torch.arange(float(w)), indexing="ij")
    angle = uniform(-math.pi, math.pi, rng) if chance(0.5, rng) else uniform(-0.1, 0.1, rng)
    cos, sin = math.cos(angle), math.sin(angle)
    bends = [uniform(0, bend, rng) * _clouds(h, w, uniform(30, 120, rng), rng)[0] for _ in range(2)]
    return cos * y + sin * x + bends[0], cos * x - sin * y + bends[1]


def _clouds(h: int, w: int, cell_px: float, rng: torch.Generator) -> Tensor:
    """Smooth random values (1, H, W) around 0, mostly within 1."""
    cells = (math.ceil(h / cell_px) + 1, math.ceil(w / cell_px) + 1)
    coarse = torch.randn((1, 1, *cells), generator=rng)
    return F.interpolate(coarse, (h, w), mode="bilinear", align_corners=True)[0]


def _field_of(rows: Tensor, columns: Tensor, rng: torch.Generator) -> Tensor:
    """A random value in [0, 1) for each unit square of places (H, W)."""
    values = torch.rand(997, generator=rng)
    return values[((rows.floor() * 131 + columns.floor() * 17) % 997).long()]


def _region(h: int, w: int, rng: torch.Generator) -> Tensor:
    """Where a surface shows (1, H, W): everywhere, or in a patch with a border of any form."""
    if chance(0.35, rng):
        return torch.ones((1, h, w))
    clouds = _clouds(h, w, uniform(0.2, 0.8, rng) * max(h, w), rng)
    sharp = uniform(2, 40, rng)
    return (0.5 + sharp * (clouds + uniform(-0.2, 0.6, rng))).clamp(0, 1)


def _colour(rng: torch.Generator, *, bright: bool | None = None) -> Tensor:
    """A colour (3, 1, 1), mostly dull; bright, dark or either."""
    low, high = {None: (0.03, 0.97), True: (0.7, 1.0), False: (0.0, 0.3)}[bright]
    hue = torch.rand((3, 1, 1), generator=rng) - 0.5
    return (uniform(low, high, rng) + uniform(0, 0.4, rng) * hue).clamp(0, 1)


KINDS = (
    _cloth, _knitting, _net, _facade, _twigs, _grass, _rails, _snow, _beads, _strings, _ribbons,
)  # fmt: skip
