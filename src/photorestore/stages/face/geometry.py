"""Cut a face out of a picture, upright and at one size, and add what was changed in it.

Pixel i has its centre at coordinate i, as in the detector. Points are x, y; sizes are height, width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.bands import strips
from photorestore.stages.face.parts import Image, as_float, resized, write

CROP_PX = 256
"""Side of the square that a face is cut into."""
EYE_DISTANCE_PX = 64.0
"""Between the eyes in the crop."""
TEMPLATE = ((96.0, 112.0), (160.0, 112.0), (128.0, 149.0), (100.5, 180.5), (155.5, 180.5))
"""Where `stages.face.detector.LANDMARKS` lie in the crop: the proportions of frontal faces as detected."""
ELLIPSE_CENTRE, ELLIPSE_RADII = (128.0, 134.0), (84.0, 100.0)
"""The face within the crop: forehead to chin, ear to ear."""
FEATHER = 0.3
"""Share of the ellipse's radius over which a change fades out."""

Points = Sequence[tuple[float, float]]
Region = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a face lies in its picture: the crop's (x, y) is at `(a x - b y + left, b x + a y + top)` there.

    Attributes:
        a, b: cosine and sine of the rotation, times the scale.
        left, top: where the crop's first pixel lies, px.
    """

    a: float
    b: float
    left: float
    top: float

    @property
    def scale(self) -> float:
        """Return how many pixels of the picture stand for one of the crop."""
        return math.hypot(self.a, self.b)

    def inverse(self) -> Alignment:
        """Return the alignment from the picture into the crop."""
        squared = self.a**2 + self.b**2
        a, b = self.a / squared, -self.b / squared
        return Alignment(a, b, -(a * self.left - b * self.top), -(b * self.left + a * self.top))

    def shifted(self, x: float, y: float) -> Alignment:
        """Return the same alignment for points that count from (x, y)."""
        return Alignment(
            self.a, self.b, self.a * x - self.b * y + self.left, self.b * x + self.a * y + self.top
        )

    def apply(self, points: Tensor) -> Tensor:
        """Map points (..., 2) of the crop to points (..., 2) of the picture."""
        x, y = points.unbind(-1)
        return torch.stack(
            [self.a * x - self.b * y + self.left, self.b * x + self.a * y + self.top],
            dim=-1,
        )


def align(landmarks: Points, template: Points = TEMPLATE) -> Alignment:
    """Return the rotation, scale and shift that lay the template on the landmarks with the least squared error.

    After Umeyama (TPAMI 1991); in the plane, and without mirroring, it has a closed form.

    Raises:
        ValueError: all landmarks are one point.
    """
    source = torch.tensor(template, dtype=torch.float64)
    target = torch.tensor(landmarks, dtype=torch.float64)
    source_mean, target_mean = source.mean(0), target.mean(0)
    source, target = source - source_mean, target - target_mean
    squares = source.square().sum()
    a = float((source * target).sum() / squares)
    b = float((source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum() / squares)
    if math.hypot(a, b) < 1e-6:
        raise ValueError(f"the landmarks {landmarks} have no extent")
    rotated = Alignment(a, b, 0.0, 0.0).apply(source_mean)
    return Alignment(a, b, *(target_mean - rotated).tolist())


def cut(image: Image, alignment: Alignment) -> Tensor:
    """Cut out the upright face.

    Args:
        image: (3, H, W); a large face is only held in float after shrinking.

    Returns:
        (3, CROP_PX, CROP_PX) in [0, 1]; the picture's last pixels are repeated where it ends.
    """
    rows, columns = region_of(image, alignment)
    size_hw = (rows.stop - rows.start, columns.stop - columns.start)
    part = resized(image, rows, columns, _coarser(size_hw, alignment.scale), "bicubic")
    from_part = replace(alignment, left=alignment.left - columns.start, top=alignment.top - rows.start)
    return _sampled(part, size_hw, from_part, (CROP_PX, CROP_PX), "border").clamp(0, 1)


def paste(image: Image, change: Tensor, alignment: Alignment, strength: float = 1.0) -> None:
    """Add to a picture, in place, what refining changed in a face.

    What the crop cannot hold, such as the fine detail of a large face, stays; unchanged pixels keep every bit.

    Args:
        image: (3, H, W), writable; clamped to its range where it is changed.
        change: (3, CROP_PX, CROP_PX), the refined face minus the face as it was cut out.
        strength: 0 changes nothing, 1 all.
    """
    rows, columns = region_of(image, alignment)
    faded = change * (strength * face_mask())
    for band in strips(rows.stop, columns.stop - columns.start, rows.start):
        to_crop = alignment.inverse().shifted(columns.start, band.start)
        size_hw = (band.stop - band.start, columns.stop - columns.start)
        difference = warp(faded, to_crop, size_hw, padding="zeros")
        before = as_float(image[:, band, columns])
        after = torch.where(difference == 0, before, (before + difference).clamp(0, 1))
        write(image, band, columns, after)


def warp(
    source: Tensor, alignment: Alignment, size_hw: tuple[int, int], *, padding: str = "border"
) -> Tensor:
    """Return a picture as seen through an alignment.

    Args:
        source: (C, h, w).
        alignment: from the result into `source`.
        padding: "border" repeats the last pixels where the source ends, "zeros" gives 0.

    Returns:
        (C, *size_hw): sampled by cubic interpolation, after shrinking the source where that makes it smaller.
    """
    _, h, w = source.shape
    smaller = _coarser((h, w), alignment.scale)
    shrunk = resized(source, slice(0, h), slice(0, w), smaller, "bicubic")
    return _sampled(shrunk, (h, w), alignment, size_hw, padding)


def _coarser(size_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return the size to which a picture is shrunk first, so that sampling it on a coarser grid does not alias."""
    h, w = size_hw
    return (max(1, round(h / scale)), max(1, round(w / scale))) if scale > 1 else size_hw


def _sampled(
    shrunk: Tensor, shape_hw: tuple[int, int], alignment: Alignment, size_hw: tuple[int, int], padding: str
) -> Tensor:
    """Return a picture of `shape_hw` as seen through an alignment, sampled from a smaller version of it."""
    h, w = shape_hw
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size_hw), indexing="ij")
    points = alignment.apply(torch.stack([x, y], dim=-1))
    grid = (2 * points + 1) / torch.tensor([w, h]) - 1  # the same for any size of the source
    return F.grid_sample(
        shrunk[None], grid[None].to(shrunk), mode="bicubic", padding_mode=padding, align_corners=False
    )[0]


def face_mask(feather: float = FEATHER) -> Tensor:
    """Return (1, CROP_PX, CROP_PX): 1 in the face, falling smoothly to 0 at the rim of its ellipse.

    Args:
        feather: share of the radius over which it falls; 0 for a sharp rim.
    """
    y, x = torch.meshgrid(*2 * (torch.arange(CROP_PX, dtype=torch.float32),), indexing="ij")
    (centre_x, centre_y), (radius_x, radius_y) = ELLIPSE_CENTRE, ELLIPSE_RADII
    radius = torch.hypot((x - centre_x) / radius_x, (y - centre_y) / radius_y)[None]
    if feather == 0:
        return (radius <= 1).float()
    fall = ((1 - radius) / feather).clamp(0, 1)
    return fall * fall * (3 - 2 * fall)


def region_of(image: Image, alignment: Alignment) -> Region:
    """Return the rows and columns of the picture that the crop lies on, with the margin that sampling needs.

    Raises:
        ValueError: the crop lies beside the picture.
    """
    _, h, w = image.shape
    end = CROP_PX - 1.0
    corners = alignment.apply(torch.tensor([[0, 0], [end, 0], [0, end], [end, end]], dtype=torch.float64))
    margin = 2 + math.ceil(2 * max(1.0, alignment.scale))
    left, top = (int(value) - margin for value in corners.amin(0).floor().tolist())
    right, bottom = (int(value) + margin + 1 for value in corners.amax(0).ceil().tolist())
    rows, columns = slice(max(0, top), min(h, bottom)), slice(max(0, left), min(w, right))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise ValueError(f"the face lies beside the picture of {w}x{h} px: {alignment}")
    return rows, columns
