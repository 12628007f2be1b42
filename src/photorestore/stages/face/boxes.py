"""Work with the boxes that a detector proposes: (K, 4), left, top, right and bottom in px."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def crop(image: Tensor, box: list[int], side_px: int) -> Tensor:
    """Cut the part of a window that lies in the picture, (3, side_px, side_px); black where no part does."""
    _, h, w = image.shape
    left, top, right, bottom = max(box[0], 1), max(box[1], 1), min(box[2], w), min(box[3], h)
    if right < left or bottom < top:
        return image.new_full((3, side_px, side_px), -1)
    return F.interpolate(image[None, :, top - 1 : bottom, left - 1 : right], (side_px, side_px), mode="area")[
        0
    ]


def squared(boxes: Tensor) -> Tensor:
    """Return boxes around the same centres, both sides as long as the longer one."""
    sides = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    corners = (boxes[:, :2] + boxes[:, 2:]) / 2 - sides / 2
    return torch.cat([corners, corners + sides], 1)


def shifted(boxes: Tensor, shift: Tensor) -> Tensor:
    """Move each side by a share of the box's size."""
    return boxes + shift * (boxes[:, 2:] - boxes[:, :2] + 1).repeat(1, 2)


def suppress(boxes: Tensor, score: Tensor, most: float, *, of_smaller: bool = False) -> list[int]:
    """Return the indices of the boxes kept by greedy non-maximum suppression, the surest first.

    Args:
        most: greatest overlap that two kept boxes may have.
        of_smaller: measure overlap as a share of the smaller box, not of the union.
    """
    left, top, right, bottom = boxes.unbind(1)
    area = (right - left) * (bottom - top)
    order, kept = score.argsort(descending=True), []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        across = torch.minimum(right[first], right[order]) - torch.maximum(left[first], left[order])
        down = torch.minimum(bottom[first], bottom[order]) - torch.maximum(top[first], top[order])
        shared = across.clamp_min(0) * down.clamp_min(0)
        smaller = torch.minimum(area[first], area[order])
        whole = smaller if of_smaller else area[first] + area[order] - shared
        order = order[shared <= most * whole]
    return kept
