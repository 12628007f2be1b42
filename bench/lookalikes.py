"""Photographs of what looks like damage and is none: cloth, ropes, spokes, rails, lace, twigs; (H, W, 3) uint8.

Made in code, or as scikit-image ships them. Nothing here is shared with what training makes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from skimage import data

from bench.pictures import Floats, Pixels, Rng

SHIFT = 4
"""Lines are drawn to a sixteenth of a pixel."""


def woven_cloth(rng: Rng) -> Pixels:
    """Draw plain weave in three colours, with its threads' roundness and unevenness."""
    rows, columns = _grid(480, 640)
    rows, columns = (place + 1.5 * _clouds(480, 640, 80, rng) for place in (rows, columns))
    pitch = 5
    over = (np.floor(rows / pitch) + np.floor(columns / pitch)) % 2 == 0
    warp = np.array([[150, 60, 50], [225, 215, 190], [40, 60, 100]], np.float32)
    stripe = (np.floor(columns / pitch) % 24 // 8).astype(int)
    band = (np.floor(rows / pitch) % 24 // 8).astype(int)
    round_x, round_y = (np.abs(np.sin(math.pi * place / pitch)) for place in (columns, rows))
    colour = np.where(over[..., None], warp[stripe], warp[band])
    return _photograph(colour * (0.55 + 0.45 * np.where(over, round_x, round_y))[..., None], rng)


def herringbone(rng: Rng) -> Pixels:
    """Draw coarse tweed, light on dark, in grey."""
    rows, columns = _grid(480, 640)
    side = np.where(np.floor(columns / 24) % 2 == 0, 1, -1)
    ribs = np.sin(2 * math.pi * (rows + side * columns) / 8 + 0.6 * _clouds(480, 640, 30, rng))
    return _photograph(np.repeat((105 + 70 * ribs + 12 * _clouds(480, 640, 3, rng))[..., None], 3, 2), rng)


def knit(rng: Rng) -> Pixels:
    """Draw the stitches of a pullover."""
    rows, columns = _grid(480, 560)
    across = columns % 16 - 8
    stitch = np.cos(2 * math.pi * (rows - 0.9 * np.abs(across)) / 11) * np.cos(math.pi * across / 17)
    wool = np.array([120, 105, 140]) * (0.65 + 0.4 * stitch + 0.05 * _clouds(480, 560, 2, rng))[..., None]
    return _photograph(wool, rng)


def lace(rng: Rng) -> Pixels:
    """Draw white net with flowers over dark velvet."""
    picture = np.full((480, 560, 3), (32, 26, 34), np.float32)
    picture += 5 * _clouds(480, 560, 6, rng)[..., None]
    for row in range(-1, 50):
        for column in range(-1, 50):
            x, y = 12 * column + 6 * (row % 2), 10 * row
            _circle(picture, (x, y), 5.5, (226, 222, 214), 1)
    for _ in range(14):
        x, y = rng.uniform((40, 40), (520, 440))
        for petal in np.linspace(0, 2 * math.pi, 7)[:-1]:
            _circle(picture, (x + 12 * math.cos(petal), y + 12 * math.sin(petal)), 7, (236, 232, 226), 3)
    return _photograph(picture, rng)


def rigging(rng: Rng) -> Pixels:
    """Draw masts, stays and ratlines before the sky."""
    picture = _sky(520, 640, rng)
    for x in (190, 430):
        _line(picture, [(x, 520), (x + 6, 20)], (74, 58, 44), 9)
        for side in (-150, -110, 110, 150):
            _line(picture, [(x + 6, 40), (x + side, 520)], (58, 48, 40), 2)
        for y in range(150, 520, 26):
            reach = 150 * (y - 40) / 480
            _line(picture, [(x - reach, y), (x - 0.7 * reach, y + 2)], (66, 56, 46), 1)
            _line(picture, [(x + 0.7 * reach, y + 2), (x + reach, y)], (66, 56, 46), 1)
    for start, end in (((436, 30), (640, 330)), ((196, 30), (0, 300)), ((196, 40), (430, 200))):
        _line(picture, _hanging(start, end, 18), (214, 204, 180), 2)
    return _photograph(picture, rng)


def wires(rng: Rng) -> Pixels:
    """Draw telegraph wires and a pole before an evening sky."""
    picture = _sky(400, 640, rng)[::-1].copy()
    _line(picture, [(500, 400), (506, 60)], (40, 34, 32), 10)
    for arm in (90, 130):
        _line(picture, [(440, arm), (570, arm - 4)], (44, 36, 34), 5)
    for number in range(8):
        arm = 90 if number < 4 else 130
        x = 448 + 36 * (number % 4)
        _line(picture, _hanging((x, arm), (-20, arm + 40 + 9 * number), 30), (36, 32, 34), 1)
        _line(picture, _hanging((x, arm), (700, arm - 30 + 6 * number), 12), (36, 32, 34), 1)
    return _photograph(picture, rng)


def spokes(rng: Rng) -> Pixels:
    """Draw two wheels of a pram before a lawn."""
    picture = _ground(data.grass(), 480, 640, (80, 104, 56))
    for x, y, radius in ((190, 270, 150), (470, 290, 130)):
        for turn in np.linspace(0, 2 * math.pi, 29)[:-1]:
            tip = (x + radius * math.cos(turn), y + radius * math.sin(turn))
            hub = (x + 10 * math.cos(turn + 0.5), y + 10 * math.sin(turn + 0.5))
            _line(picture, [hub, tip], (228, 228, 224), 2)
        _circle(picture, (x, y), radius, (30, 30, 32), 9)
        _circle(picture, (x, y), radius - 6, (210, 210, 208), 3)
        _circle(picture, (x, y), 8, (190, 190, 188), 5)
    return _photograph(picture, rng)


def rails(rng: Rng) -> Pixels:
    """Draw two tracks that run to the horizon, sleepers between gravel."""
    picture = _ground(data.gravel(), 480, 640, (118, 110, 100))
    picture[:150] = _sky(150, 640, rng)
    for middle in (210, 470):
        for step in np.linspace(0, 1, 26) ** 2.2:
            y, half = 152 + 328 * step, 8 + 110 * step
            x = 320 + (middle - 320) * (0.2 + 0.9 * step)
            _line(picture, [(x - half, y), (x + half, y)], (70, 56, 46), max(1, round(11 * step)))
        for side in (-1, 1):
            points = [
                (320 + (middle - 320) * (0.2 + 0.9 * step) + side * (5 + 75 * step), 152 + 328 * step)
                for step in np.linspace(0, 1, 20)
            ]
            for first, second in pairwise(points):
                _line(picture, [first, second], (222, 224, 228), 1 + round(4 * (second[1] - 152) / 328))
    return _photograph(picture, rng)


def chain_fence(rng: Rng) -> Pixels:
    """Draw a fence of wire mesh before leaves."""
    leaves = _ground(data.grass(), 480, 640, (62, 88, 50))
    picture = np.asarray(cv2.GaussianBlur(leaves, (0, 0), 3), np.float32)
    for offset in range(-480, 640, 34):
        _line(picture, [(offset, 0), (offset + 480, 480)], (188, 192, 194), 2)
        _line(picture, [(offset + 480, 0), (offset, 480)], (176, 180, 184), 2)
    return _photograph(picture, rng)


def twigs(rng: Rng) -> Pixels:
    """Draw a bare tree before the sky, and snow that falls."""
    picture = _sky(520, 560, rng)
    _branch(picture, (280.0, 520.0), -math.pi / 2, 90.0, 12.0, rng)
    for _ in range(160):
        _circle(picture, tuple(rng.uniform((0, 0), (560, 520))), rng.uniform(0.3, 1.6), (245, 246, 248), 1)
    return _photograph(picture, rng)


def _branch(
    picture: Floats, foot: tuple[float, float], turn: float, length: float, width: float, rng: Rng
) -> None:
    if width < 0.6:
        return
    tip = (foot[0] + length * math.cos(turn), foot[1] + length * math.sin(turn))
    _line(picture, [foot, tip], (52, 44, 40), max(1, round(width)))
    for side in (-1, 1):
        lean = turn + side * rng.uniform(0.15, 0.7)
        _branch(picture, tip, lean, length * rng.uniform(0.7, 0.95), width * rng.uniform(0.6, 0.85), rng)


LOOKALIKES: dict[str, Callable[[Rng], Pixels]] = {
    made.__name__: made
    for made in (woven_cloth, herringbone, knit, lace, rigging, wires, spokes, rails, chain_fence, twigs)
} | {
    "cat_with_whiskers": lambda _: data.chelsea(),
    "brick": lambda _: _as_rgb(data.brick()),
    "grass": lambda _: _as_rgb(data.grass()),
    "coins": lambda _: _as_rgb(data.coins()),
    "stars": lambda _: data.hubble_deep_field()[200:680, 200:840].copy(),
}


def _as_rgb(grey: Pixels) -> Pixels:
    return np.repeat(grey[..., None], 3, 2)


def _photograph(picture: npt.NDArray[np.floating], rng: Rng) -> Pixels:
    """Make a drawing a photograph: a little soft, in uneven light, with hardly any noise."""
    h, w = picture.shape[:2]
    soft = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.6)
    light = 1 + 0.08 * _clouds(h, w, 250, rng)
    noisy = soft * light[..., None] + rng.normal(0, 1.2, (h, w, 1))
    return noisy.clip(0, 255).round().astype(np.uint8)


def _grid(h: int, w: int) -> tuple[Floats, Floats]:
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
    return rows, columns


def _clouds(h: int, w: int, cell_px: float, rng: Rng) -> Floats:
    """Smooth random values (H, W) around 0, mostly within 1."""
    coarse = rng.standard_normal((math.ceil(h / cell_px) + 2, math.ceil(w / cell_px) + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def _ground(texture: Pixels, h: int, w: int, colour: Sequence[int]) -> Floats:
    """A photographed texture (H, W) in a colour, as a backdrop that is a little out of focus."""
    side = max(h, w)
    large = cv2.resize(texture, (side, side), interpolation=cv2.INTER_AREA)[:h, :w].astype(np.float32)
    soft = cv2.GaussianBlur(large, (0, 0), 1.2) / large.mean()
    return (soft[..., None] * np.array(colour, np.float32)).clip(0, 255).astype(np.float32)


def _sky(h: int, w: int, rng: Rng) -> Floats:
    rows = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    blue, haze = np.array([120, 155, 200], np.float32), np.array([214, 218, 220], np.float32)
    return (
        blue + rows * (haze - blue) + 6 * (_clouds(h, w, 130, rng) + 0.4 * _clouds(h, w, 40, rng))[..., None]
    )


def _hanging(
    start: tuple[float, float], end: tuple[float, float], sag_px: float
) -> list[tuple[float, float]]:
    """Points of a rope between two others."""
    steps = np.linspace(0, 1, 30)
    x, y = (first + steps * (last - first) for first, last in zip(start, end, strict=True))
    return list(zip(x, y + sag_px * 4 * steps * (1 - steps), strict=True))


def _line(
    picture: Floats, points: Sequence[tuple[float, float]], colour: Sequence[int], width_px: int
) -> None:
    """Draw a smooth line into (H, W, 3)."""
    cover = np.zeros(picture.shape[:2], np.uint8)
    path = np.round(np.array(points, np.float64) * 2**SHIFT).astype(np.int32)
    cv2.polylines(cover, [path], False, 255, width_px, cv2.LINE_AA, SHIFT)
    _cover(picture, cover, colour)


def _circle(
    picture: Floats, centre: Sequence[float], radius: float, colour: Sequence[int], width_px: int
) -> None:
    cover = np.zeros(picture.shape[:2], np.uint8)
    place = [round(float(value) * 2**SHIFT) for value in centre]
    cv2.circle(cover, place, round(radius * 2**SHIFT), 255, width_px, cv2.LINE_AA, SHIFT)
    _cover(picture, cover, colour)


def _cover(picture: Floats, cover: Pixels, colour: Sequence[int]) -> None:
    left, top, wide, high = cv2.boundingRect(cover)
    place = (slice(top, top + high), slice(left, left + wide))
    share = cover[place].astype(np.float32)[..., None] / 255
    picture[place] += share * (np.array(colour, np.float32) - picture[place])
