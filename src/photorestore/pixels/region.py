"""Find where the picture is: inside its border, at its opaque pixels.

What lies around a picture says nothing about its noise, tone or colours: paper, passe-partout, a black frame, a letter
box, the lid of the scanner, the white of an instant print. Borders are peeled off a small view, side by side and
layer by layer. A layer counts as border where whole lines have nearly one colour and then, within few lines, most of
the next do not: a sky has no such edge, or has it on one side only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from photorestore.workspace import Array

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Edge:
    """What a border must look like.

    Attributes:
        near_255: most by which its pixels differ from its colour.
        border_share: least share of pixels near its colour in each of its lines.
        picture_share: greatest share of such pixels in the middle of the picture's first line.
        most: its greatest width, as a share of the picture's side.
    """

    near_255: int
    border_share: float
    picture_share: float
    most: float


FRAMED = Edge(near_255=28, border_share=0.85, picture_share=0.5, most=0.3)
"""Where there is a border on all four sides."""

PAIRED = Edge(near_255=28, border_share=0.85, picture_share=0.3, most=0.3)
"""Where there is one on the opposite side only: a studio's backdrop is on both sides of a head."""

ALONE = Edge(near_255=12, border_share=0.97, picture_share=0.2, most=0.12)
"""Where there is none on the opposite side."""

VIEW_PX = 256
"""About the longest side of the view, at most twice that."""

EDGE_SHARE = 0.03
"""Share of the side within which border gives way to picture, as a scan is never quite straight."""

LAYERS = 3
"""How many borders may lie in each other."""

LEAST_AREA = 0.5
"""Least share of the picture that remains, unless there is a border on all four sides."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def whole(cls, image: Array) -> Region:
        """Return all of a plane (C, H, W) as a region."""
        return cls(0, 0, *image.shape[1:])

    def of(self, image: Array) -> Array:
        """Cut the rectangle out of a plane (C, H, W): a view."""
        return image[:, self.top : self.top + self.height, self.left : self.left + self.width]

    def as_tuple(self) -> tuple[int, int, int, int]:
        """Return top, left, height and width."""
        return (self.top, self.left, self.height, self.width)


def find_region(image: Array, alpha: Array | None = None) -> Region:
    """Find the picture inside its border: all of it where there is none.

    The cost is that of a view of some hundred pixels a side, whatever the picture's size.

    Args:
        image: a plane (3, H, W).
        alpha: its plane (1, H, W); what is transparent counts as border.
    """
    _, h, w = image.shape
    step = max(1, max(h, w) // VIEW_PX)
    view = in_8_bits(every_nth(image, step))
    clear = np.zeros(view.shape[1:], bool) if alpha is None else ~is_opaque(every_nth(alpha, step)[0])
    limits, is_framed = _peel(view, clear, FRAMED)
    if not is_framed:
        limits, is_framed = _peel(view, clear, PAIRED)
    (top, bottom), (left, right) = limits
    top, left = step * top, step * left
    height = (h if bottom == view.shape[1] else step * bottom) - top
    width = (w if right == view.shape[2] else step * right) - left
    least = 0.0 if is_framed else LEAST_AREA * h * w
    if height * width <= least or min(height, width) < min(16, h, w):
        return Region.whole(image)
    return Region(top, left, height, width)


def is_opaque(alpha: Array) -> Bools:
    """Return where more than half of the colour shows."""
    opaque: Bools = alpha > np.iinfo(alpha.dtype).max // 2
    return opaque


def blocks_of(
    image: Array, alpha: Array | None, side_px: int, per_side: int
) -> npt.NDArray[np.float32] | None:
    """Return samples (N, 3, B, B), 0 to 255, on a regular grid, wholly opaque; None where there is no such sample.

    Args:
        side_px: B.
        per_side: at most so many along a side of the picture.
    """
    _, h, w = image.shape
    if min(h, w) < side_px:
        return None
    rows, columns = (_grid(length, side_px, per_side) for length in (h, w))
    blocks = _cut(image, rows, columns).astype(np.float32)
    if image.dtype != np.uint8:
        blocks *= 255 / np.iinfo(image.dtype).max
    if alpha is not None:
        blocks = blocks[is_opaque(_cut(alpha, rows, columns)).all(axis=(1, 2, 3))]
    return blocks if len(blocks) else None


def _grid(length: int, side_px: int, per_side: int) -> npt.NDArray[np.intp]:
    """Positions (samples, side_px) along one side."""
    starts = np.linspace(0, length - side_px, min(per_side, length // side_px)).astype(np.intp)
    return np.add.outer(starts, np.arange(side_px))


def _cut(plane: Array, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Array:
    """Squares (N, C, B, B) of a plane at all of these places, each (n, B)."""
    side = rows.shape[1]
    cut: Array = plane[:, rows.ravel()][:, :, columns.ravel()]
    cut = cut.reshape(len(plane), len(rows), side, len(columns), side).transpose(1, 3, 0, 2, 4)
    return cut.reshape(-1, len(plane), side, side)


def every_nth(plane: Array, step: int) -> Array:
    """Return a view of every n-th pixel of a plane (C, H, W); of a shorter side, its middle one."""
    rows, columns = (slice(min(step, side) // 2, None, step) for side in plane.shape[1:])
    return plane[:, rows, columns]


def in_8_bits(view: Array) -> npt.NDArray[np.uint8]:
    """Copy a view of a plane in 8 bits; of 16 bits the lower 8 are cut off, which is enough to judge by."""
    copied = np.ascontiguousarray(view)
    return (copied // 257 if copied.dtype == np.uint16 else copied).astype(np.uint8)


def _peel(view: npt.NDArray[np.uint8], clear: Bools, paired: Edge) -> tuple[list[tuple[int, int]], bool]:
    """Return first and last row, first and last column of the picture in a view (3, h, w); whether it is framed.

    Args:
        paired: what borders on opposite sides must look like; those on one side must look like `ALONE`.
    """
    limits = [(0, side) for side in clear.shape]
    for _ in range(LAYERS):
        before = list(limits)
        for axis, side in enumerate(clear.shape):
            rows, columns = (slice(*limit) for limit in limits)
            lines, empty = view[:, rows, columns], clear[rows, columns]
            if axis == 1:
                lines, empty = lines.swapaxes(1, 2), empty.T
            first, last = _depths(lines, empty, paired)
            start, stop = limits[axis][0] + first, limits[axis][1] - last
            edge = paired if start > 0 and stop < side else ALONE
            if max(start, side - stop) <= edge.most * side:
                limits[axis] = (start, stop)
        if limits == before:
            break
    is_framed = all(
        start > 0 and stop < side for (start, stop), side in zip(limits, clear.shape, strict=True)
    )
    return limits, is_framed


def _depths(lines: npt.NDArray[np.uint8], clear: Bools, paired: Edge) -> tuple[int, int]:
    """How many of the lines (3, n, length) are border, before and behind the picture."""
    both = (lines, clear), (lines[:, ::-1], clear[::-1])
    first, last = (_depth(*side, paired) for side in both)
    apart_255 = np.abs(_colour(lines[:, 0], clear[0]) - _colour(lines[:, -1], clear[-1])).max()
    if (first > 0 and last > 0 and apart_255 <= paired.near_255) or first == last == 0:
        return first, last
    first, last = (_depth(*side, ALONE) for side in both)
    return first, last


def _depth(lines: npt.NDArray[np.uint8], clear: Bools, edge: Edge) -> int:
    """Return how many of the lines, outermost first, are border; 0 without border, or without an edge to it."""
    _, count, length = lines.shape
    depth = int(edge.most * count)
    if depth < 1 or length < 5:
        return 0
    near = clear[: 2 * depth] | _near(lines[:, : 2 * depth], clear[0], edge.near_255)
    middle = near[:, length // 5 : length - length // 5].mean(axis=1)
    is_border = np.minimum(near.mean(axis=1), middle) >= edge.border_share
    is_picture = middle <= edge.picture_share
    if not is_border[0] or not is_picture.any():
        return 0
    inside = int(is_picture.argmax())
    width = int(is_border[:inside][::-1].argmax())
    if inside > depth or width > max(3, EDGE_SHARE * count):
        return 0
    return inside + 1  # one line more: the first is often mixed


def _near(lines: npt.NDArray[np.uint8], clear: Bools, near_255: int) -> Bools:
    """Which pixels of lines (3, n, length) have about the colour of the outermost one."""
    near = np.ones(lines.shape[1:], bool)
    for values, colour in zip(lines, _colour(lines[:, 0], clear), strict=True):
        low, high = (
            np.uint8(end.clip(0, 255)) for end in (np.ceil(colour - near_255), np.floor(colour + near_255))
        )
        near &= (values >= low) & (values <= high)
    return near


def _colour(line: npt.NDArray[np.uint8], clear: Bools) -> npt.NDArray[np.float64]:
    """The median colour (3,) of a line (3, length) where it is opaque; black where it is nowhere."""
    if clear.all():
        return np.zeros(3)
    colour: npt.NDArray[np.float64] = np.median(line[:, ~clear], axis=1)
    return colour
