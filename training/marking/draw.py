"""Draw the mask of an annotation and its picture: 255 = damage, 128 = ignore, 0 = sound."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.marked import DAMAGE, IGNORE
from training.marking.grammar import Annotation, Mark
from training.marking.ridges import Floats, Marked, Path, Ridges

Pixels = npt.NDArray[np.uint8]
SQUARE = np.ones((3, 3), np.uint8)
BACKGROUND_SIGMAS_PX = (2.0, 4.0, 8.0, 20.0)
LEAST_CONTRAST = 3.0
"""A pixel of a line differs from its surroundings by at least this, of 255."""
WEAK_SPECK = 6
"""A speck that stands out by less than this (of 255) is left unsure."""


def draw_mask(annotation: Annotation, rgb: Pixels) -> Pixels:
    """Draw the mask (H, W) of a picture (H, W, 3)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    canvas = _Canvas(rgb, grey, annotation)
    for mark in annotation.of("L"):
        canvas.add_line(mark)
    for mark in annotation.of("PTACF"):
        canvas.damage |= AREAS[mark.kind](canvas, mark)
    for mark in annotation.of("S"):
        for point in mark.points:
            canvas.add_speck(mark, *point)
    for mark in annotation.of("U"):
        canvas.leave_spots(mark)
    return canvas.finish()


class _Canvas:
    """A mask in the making: what is damage so far, and what is unsure."""

    def __init__(self, rgb: Pixels, grey: Floats, annotation: Annotation) -> None:
        self.rgb, self.grey, self.annotation = rgb, grey, annotation
        ridges = Ridges(grey)
        self.paths: dict[int, Path] = {id(mark): ridges.path(mark) for mark in annotation.of("L")}
        self.change = grey - self._background()
        self.damage = np.zeros(grey.shape, bool)
        self.unsure = np.zeros(grey.shape, bool)

    def polygon(self, mark: Mark) -> Marked:
        """Return the pixels inside a mark's corners."""
        inside = np.zeros(self.grey.shape, np.uint8)
        cv2.fillPoly(inside, [_corners(mark)], 1)
        return inside > 0

    def union(self, kind: str) -> Marked:
        """Return all polygons of a kind together."""
        whole = np.zeros(self.grey.shape, bool)
        for mark in self.annotation.of(kind):
            whole |= self.polygon(mark)
        return whole

    def _background(self) -> Floats:
        """Estimate the picture without its damage: a blur of what is not marked, the nearest first."""
        sound = (self._roughly_marked() == 0).astype(np.float32)
        background, known = np.zeros_like(self.grey), np.zeros_like(self.grey)
        for sigma in BACKGROUND_SIGMAS_PX:
            total = cv2.GaussianBlur(self.grey * sound, (0, 0), sigma)
            share = cv2.GaussianBlur(sound, (0, 0), sigma)
            weight = np.clip(share / 0.15, 0, 1) * (1 - known)
            background += total / np.maximum(share, 1e-6) * weight
            known += weight
        return np.where(known > 0, background / np.maximum(known, 1e-6), self.grey)

    def _roughly_marked(self) -> Pixels:
        marked = np.zeros(self.grey.shape, np.uint8)
        for mark in self.annotation.of("L"):
            for at in self.paths[id(mark)]:
                cv2.circle(marked, at, round(mark.size / 2 + 1), 255, -1)
        for mark in self.annotation.of("PTS"):
            if mark.kind == "S":
                for x, y in _corners(mark):
                    cv2.circle(marked, (int(x), int(y)), round(mark.size + 0.5), 255, -1)
            else:
                cv2.fillPoly(marked, [_corners(mark)], 255)
        return marked

    def contrast(self, polarity: str) -> Floats:
        """Return how much each pixel stands out from the background in the direction of a polarity."""
        if len(polarity) > 1 or polarity == "x":
            return np.abs(self.change)
        return self.change if polarity == "b" else -self.change

    def add_line(self, mark: Mark) -> None:
        """Mark what lies within half the width of the path and stands out by `core_share` of what it does there."""
        path = self.paths[id(mark)]
        columns, rows = (np.array(values) for values in zip(*path, strict=True))
        h, w = self.grey.shape
        place = (
            slice(max(0, rows.min() - 12), min(h, rows.max() + 13)),
            slice(max(0, columns.min() - 12), min(w, columns.max() + 13)),
        )
        contrast = self.contrast(mark.polarity)
        peaks = ndimage.maximum_filter(contrast, 3)[rows, columns]
        if len(peaks) > 2:
            peaks = ndimage.percentile_filter(peaks, 50, size=min(9, len(peaks)))
        along = np.zeros((h, w), np.float32)
        along[rows, columns] = peaks
        is_off = np.ones((h, w), np.uint8)
        is_off[rows, columns] = 0
        core = is_off[place] == 0
        distance, nearest = ndimage.distance_transform_edt(is_off[place], return_indices=True)
        needed = np.maximum(self.annotation.core_share * along[place][nearest[0], nearest[1]], LEAST_CONTRAST)
        found = ((distance <= mark.size / 2) & (contrast[place] > needed)) | core
        labels, _ = ndimage.label(found, structure=np.ones((3, 3)))
        self.damage[place] |= _closed(np.isin(labels, np.unique(labels[core])) & found)

    def add_speck(self, mark: Mark, x: float, y: float) -> None:
        """Mark the connected pixels around a point's extremum that stand out by a third of what it does."""
        h, w = self.grey.shape
        reach = int(np.ceil(mark.size)) + 4
        top, left = max(0, round(y) - reach), max(0, round(x) - reach)
        place = (slice(top, min(h, round(y) + reach + 1)), slice(left, min(w, round(x) + reach + 1)))
        rows, columns = np.mgrid[place]
        distance = np.hypot(columns - x, rows - y)
        values = self.grey[place] * (1 if mark.polarity == "b" else -1)
        ring = (distance > mark.size + 1) & (distance <= mark.size + 3.5)
        around = np.median(values[ring])
        spread = np.median(np.abs(values[ring] - around))
        near = distance <= mark.size + 0.5
        peak = values[near].max() - around
        share = 0.36 * self.annotation.core_share / 0.38
        stands_out = (values - around > max(share * peak, 1.5 * spread)) & (distance <= mark.size + 1.0)
        labels, _ = ndimage.label(stands_out, SQUARE)
        label = labels[np.unravel_index(np.argmax(np.where(near, values, -1e9)), values.shape)]
        if peak < WEAK_SPECK or label == 0:
            self.unsure[place] |= distance <= mark.size + 1.5
        else:
            self.damage[place] |= labels == label

    def leave_spots(self, mark: Mark) -> None:
        """Leave spots unsure that stand out and are not marked."""
        spots = cv2.GaussianBlur(self.grey, (0, 0), 0.7) - cv2.medianBlur(self.grey.astype(np.uint8), 15)
        found = _of_size(self.polygon(mark) & (np.abs(spots) > mark.size), 2)
        around = ndimage.binary_dilation(self.damage, SQUARE, iterations=2)
        self.unsure |= ndimage.binary_dilation(found, SQUARE, iterations=2) & ~around

    def finish(self) -> Pixels:
        """Return the mask: `Z` wins over damage, `X` over `Z`, and damage over all else that is unsure."""
        unsure = self.unsure | self.union("I")
        if self.annotation.of("O"):
            unsure |= ~self.union("O")
        mask = np.where(self.damage, DAMAGE, np.where(unsure, IGNORE, 0)).astype(np.uint8)
        never = self.union("X")
        mask[never] = IGNORE
        mask[self.union("Z") & ~never] = 0
        return mask


def _threshold(canvas: _Canvas, mark: Mark) -> Marked:
    inside = canvas.polygon(mark)
    found = canvas.grey > mark.size if mark.polarity == "b" else canvas.grey < mark.size
    return _closed(inside & found) & inside


def _against_median(canvas: _Canvas, mark: Mark) -> Marked:
    change = canvas.grey - cv2.medianBlur(canvas.grey.astype(np.uint8), 21).astype(np.float32)
    sign = 1 if mark.polarity == "b" else -1
    return _of_size(canvas.polygon(mark) & (sign * change > mark.size), 2)


def _redder(canvas: _Canvas, mark: Mark) -> Marked:
    red, green = canvas.rgb[..., 0].astype(np.float32), canvas.rgb[..., 1]
    redness = cv2.GaussianBlur(red - green, (0, 0), 0.6)
    usual = cv2.medianBlur(np.clip(redness + 64, 0, 255).astype(np.uint8), 61).astype(np.float32) - 64
    return _of_size(canvas.polygon(mark) & (redness - usual > mark.size), 3)


def _as_drawn(canvas: _Canvas, mark: Mark) -> Marked:
    line = np.zeros(canvas.grey.shape, np.uint8)
    cv2.polylines(line, [_corners(mark)], False, 1, int(mark.size))
    return line > 0


AREAS: dict[str, Callable[[_Canvas, Mark], Marked]] = {
    "P": _Canvas.polygon,
    "T": _threshold,
    "A": _against_median,
    "C": _redder,
    "F": _as_drawn,
}


def _corners(mark: Mark) -> npt.NDArray[np.int_]:
    return np.round(np.array(mark.points)).astype(int)


def _closed(found: Marked) -> Marked:
    """Fill gaps of a pixel, as staircases leave them."""
    return ndimage.binary_closing(np.pad(found, 2), np.ones((2, 2)))[2:-2, 2:-2]


def _of_size(found: Marked, least_px: int) -> Marked:
    """Keep what has at least `least_px` connected pixels."""
    labels, count = ndimage.label(found, SQUARE)
    sizes = ndimage.sum(found, labels, range(count + 1))
    return found & (sizes[labels] >= least_px)
