"""Damage of prints for the bench, drawn with code and ranges that training does not share; `prints_set` lists them.

Pictures are (H, W, 3), coverages and masks (H, W), all in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from skimage.morphology import skeletonize

from bench.pictures import Floats, Mask, Pixels, Rng, as_floats

VISIBLE = 20 / 255


def damage(image: Floats, shapes: Sequence[Pixels], rng: Rng) -> tuple[Floats, Floats]:
    """Damage the print in several ways; return it, and how strongly each pixel was overwritten (H, W)."""
    damaged, sound = image, np.ones(image.shape[:2], np.float32)
    for kind, share in KINDS.items():
        if rng.random() < share:
            damaged, alpha = LAYERS[kind](damaged, shapes, rng)
            sound = sound * (1 - alpha)
    return damaged.clip(0, 1), 1 - sound


def visible_damage(image: Floats, damaged: Floats, alpha: Floats) -> Mask:
    """Return where damage shows; a pixel that kept its value by chance inside a defect belongs to it."""
    changed = np.abs(damaged - image).max(2) >= VISIBLE
    closed = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    return changed | (closed & (alpha > 0.3))


Layer = tuple[Floats, Floats]
"""The picture (H, W, 3) after a layer of damage, and the layer's alpha (H, W)."""


def _cracks(image: Floats, shapes: Sequence[Pixels], rng: Rng) -> Layer:
    h, w = image.shape[:2]
    cover = np.zeros((h, w), np.float32)
    half_px = float(np.exp(rng.uniform(math.log(0.6), math.log(3))))
    if rng.random() < 0.15:
        half_px = rng.uniform(3, 6)
    for _ in range(int(rng.integers(1, 4))):
        shape = _bent(_laid(shapes[int(rng.integers(len(shapes)))], h, w, rng), rng)
        away = cv2.distanceTransform((~skeletonize(shape > 127)).astype(np.uint8), cv2.DIST_L2, 5)
        width = half_px * np.exp(1.6 * (_smooth(h, w, rng.uniform(6, 30), rng) - 0.6))
        worn = _smooth(h, w, rng.uniform(25, 80), rng) < rng.uniform(0, 0.35)
        cover = np.maximum(cover, np.where(worn, 0, (width - away + 0.6).clip(0, 1)))
    return _lay(image, cover, rng)


def _laid(shape: Pixels, h: int, w: int, rng: Rng) -> Pixels:
    """Lay a crack's shape, turned and zoomed, on a plane (H, W) where enough of it can be seen."""
    turned = np.rot90(shape, int(rng.integers(4)))
    turned = turned[:, ::-1] if rng.random() < 0.5 else turned
    zoom = max(rng.uniform(0.8, 2.6), h / turned.shape[0], w / turned.shape[1])
    zoomed = cv2.resize(np.ascontiguousarray(turned), None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    large = np.asarray(zoomed, np.uint8)
    large = np.pad(large, ((0, max(0, h - large.shape[0])), (0, max(0, w - large.shape[1]))))
    places = []
    for _ in range(5):
        top = int(rng.integers(large.shape[0] - h + 1))
        left = int(rng.integers(large.shape[1] - w + 1))
        places.append(large[top : top + h, left : left + w])
    return max(places, key=np.count_nonzero)


def _bent(shape: Pixels, rng: Rng) -> Pixels:
    """Move a plane by up to 10 px, differently from place to place."""
    h, w = shape.shape
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = (place + 20 * (_smooth(h, w, 60, rng) - 0.5) for place in (columns, rows))
    return np.asarray(cv2.remap(shape, x, y, cv2.INTER_LINEAR), np.uint8)


def _crease(image: Floats, _shapes: Sequence[Pixels], rng: Rng) -> Layer:
    if rng.random() < 0.5:
        turned, alpha = _crease_across(image.transpose(1, 0, 2), rng)
        return turned.transpose(1, 0, 2), alpha.T
    return _crease_across(image, rng)


def _crease_across(image: Floats, rng: Rng) -> Layer:
    """A crease from the left to the right side."""
    h, w = image.shape[:2]
    columns = np.arange(w, dtype=np.float32)
    wander = 8 * (_smooth(1, w, rng.uniform(20, 80), rng)[0] - 0.5)
    middle = rng.uniform(0.15, 0.85) * h + rng.uniform(-0.5, 0.5) * (columns - w / 2) + wander
    away = np.arange(h, dtype=np.float32)[:, None] - middle
    width_px = rng.uniform(0.8, 3.5)
    along = (1.5 * _smooth(1, w, rng.uniform(15, 60), rng)).clip(0, 1)
    height = rng.uniform(0.1, 0.3) * along
    light = np.exp(-((away / width_px) ** 2))
    dark = np.exp(-(((away - rng.choice([-1.7, 1.7]) * width_px) / width_px) ** 2))
    shaded = image + (height * (light - rng.uniform(0.5, 1) * dark))[..., None]
    half_px = width_px * (1.8 * _smooth(1, w, rng.uniform(5, 25), rng) - rng.uniform(0.4, 1))
    ragged = half_px + 0.8 * (_smooth(h, w, 3, rng) - 0.5)
    return _lay(shaded, np.where(half_px > 0, (ragged - np.abs(away) + 0.5).clip(0, 1), 0), rng)


def _corner(image: Floats, _shapes: Sequence[Pixels], rng: Rng) -> Layer:
    h, w = image.shape[:2]
    cover = np.zeros((h, w), np.float32)
    for corner in rng.permutation(4)[: int(rng.integers(1, 4))]:
        reach = rng.uniform(0.04, 0.16, 2) * min(h, w)
        rows, columns = np.arange(h)[:, None] / reach[0], np.arange(w)[None] / reach[1]
        torn = 0.5 * (_smooth(h, w, 12, rng) - 0.5) + 0.2 * (_smooth(h, w, 3, rng) - 0.5)
        cut = ((1 - rows - columns + torn) * min(reach) / 2 + 0.5).clip(0, 1)
        cover = np.maximum(cover, cut[:: 1 if corner < 2 else -1, :: 1 if corner % 2 else -1])
    return _lay(image, cover, rng)


def _edges(image: Floats, _shapes: Sequence[Pixels], rng: Rng) -> Layer:
    h, w = image.shape[:2]
    cover = np.zeros((h, w), np.float32)
    for side in rng.permutation(4)[: int(rng.integers(1, 5))]:
        high, wide = (h, w) if side < 2 else (w, h)
        deepest = rng.uniform(0.01, 0.03) * min(h, w)
        bay = _smooth(1, wide, rng.uniform(15, 50), rng) + 0.4 * _smooth(1, wide, 4, rng) - 0.3
        worn = (deepest * 1.4 * bay - np.arange(high)[:, None] + 0.5).clip(0, 1)
        worn = worn if side < 2 else worn.T
        cover = np.maximum(cover, worn if side % 2 else worn[::-1, ::-1])
    return _lay(image, cover, rng)


def _specks(image: Floats, _shapes: Sequence[Pixels], rng: Rng) -> Layer:
    h, w = image.shape[:2]
    plane = np.zeros((h, w), np.uint8)
    count = int(np.exp(rng.uniform(math.log(30), math.log(500))) * h * w / (480 * 320))
    cloud = rng.uniform((0.2 * w, 0.2 * h), (0.8 * w, 0.8 * h)) if rng.random() < 0.4 else None
    for _ in range(count):
        place = rng.uniform((0, 0), (w, h)) if cloud is None else rng.normal(cloud, (w / 6, h / 6))
        radius = min(3.5, 0.5 + rng.exponential(0.6))
        axes = (radius, radius * rng.uniform(0.5, 1))
        centre, size = ([round(16 * float(value)) for value in pair] for pair in (place, axes))
        cv2.ellipse(plane, centre, size, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA, 4)
    return _lay(image, as_floats(plane), rng)


def _flakes(image: Floats, _shapes: Sequence[Pixels], rng: Rng) -> Layer:
    h, w = image.shape[:2]
    field = 0.8 * _smooth(h, w, rng.uniform(50, 120), rng) + 0.5 * _smooth(h, w, rng.uniform(6, 25), rng)
    field += 0.15 * _smooth(h, w, 3, rng)
    level = np.quantile(field, 1 - rng.uniform(0.003, 0.03))
    return _lay(image, ((field - level) * rng.uniform(10, 30) + 0.5).clip(0, 1), rng)


def _blots(image: Floats, _shapes: Sequence[Pixels], rng: Rng) -> Layer:
    h, w = image.shape[:2]
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
    cover = np.zeros((h, w), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        radius = rng.uniform(2, 12)
        away = np.hypot(rows - rng.uniform(0, h), columns - rng.uniform(0, w))
        rim = radius * (0.6 + 0.8 * _smooth(h, w, radius, rng))
        drop = (rim - away + 0.5).clip(0, 1)
        hollow = (rim - away - rng.uniform(1.5, 3)).clip(0, 1) if rng.random() < 0.3 else 0
        cover = np.maximum(cover, drop - hollow)
    return _lay(image, cover, rng, below="dirt")


KINDS = {
    "crease": 0.4, "flakes": 0.35, "cracks": 0.8, "specks": 0.6, "blots": 0.2, "edges": 0.35, "corner": 0.35,
}  # fmt: skip
"""How many of the prints have a kind of damage; in the order in which they are laid on."""
LAYERS: dict[str, Callable[[Floats, Sequence[Pixels], Rng], Layer]] = {
    "cracks": _cracks, "crease": _crease, "corner": _corner, "edges": _edges, "specks": _specks,
    "flakes": _flakes, "blots": _blots,
}  # fmt: skip


def _lay(image: Floats, cover: Floats, rng: Rng, below: str | None = None) -> Layer:
    """Show what lies below the emulsion where `cover` says, and the shadow that the rim throws."""
    h, w = cover.shape
    cover = (cover * rng.uniform(0.85, 1)).astype(np.float32)
    below = below or str(rng.choice(["paper", "core", "dirt"], p=[0.7, 0.1, 0.2]))
    low, high = {"paper": (0.85, 1), "core": (0.5, 0.75), "dirt": (0.02, 0.16)}[below]
    warmth = rng.uniform(0, 0.12)
    colour = rng.uniform(low, high) * np.array([1, 1 - warmth / 2, 1 - 1.5 * warmth], np.float32)
    fibres = cv2.blur(rng.standard_normal((h, w)).astype(np.float32), (1, int(rng.integers(1, 5))))
    ground = colour + (0.05 * rng.random() * fibres / fibres.std())[..., None]
    if rng.random() < 0.5:
        step = np.array([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]])
        moved = cv2.warpAffine(cover, step, (w, h), borderMode=cv2.BORDER_REPLICATE)
        blurred = np.asarray(cv2.GaussianBlur(moved, (0, 0), 0.7), np.float32)
        shadow = (blurred - cover).clip(0, 1)
        image = image * (1 - np.float32(rng.uniform(0.2, 0.5)) * shadow[..., None])
    return image + cover[..., None] * (ground.clip(0, 1) - image), cover


def _smooth(h: int, w: int, cell_px: float, rng: Rng) -> Floats:
    """Smooth random values (H, W) in [0, 1] that change over some `cell_px`."""
    coarse = rng.random((math.ceil(h / cell_px) + 1, math.ceil(w / cell_px) + 1)).astype(np.float32)
    return cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC).clip(0, 1)
