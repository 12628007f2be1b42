"""Find a picture's blur in the picture, and tell whether what was found can be trusted."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from photorestore.networks.tiling import to_float
from photorestore.pixels.tensors import luma
from photorestore.stages.deblur.estimation import LARGEST_PX, agreement, estimate
from photorestore.stages.deblur.methods import Step
from photorestore.workspace import Array

WINDOW_PX = 512
"""Sides of the part of a large picture that is looked at: the one with the most edges."""
LEAST_PX = 4 * LARGEST_PX
"""A picture whose shorter side is below that has too few edges."""
LEAST_AGREEMENT = 0.75
"""Where estimates from two halves of a picture are less alike, they are chance."""
SHARP_PEAK = 0.4
"""A picture is not blurred if so much of a point's light stays in one pixel."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The blur that was found.

    Attributes:
        psf: (K, K), K odd, its sum 1.
        agreement: how far those of the two halves of the picture are alike, 0 to 1.
        problem: why it cannot be trusted, or is not worth undoing; empty where it is good.
    """

    psf: Tensor
    agreement: float
    problem: str = ""


def find_blur(image: Array, step: Step = nullcontext) -> Estimate:
    """Return the blur that is found in a picture (3, H, W).

    Args:
        step: see `estimate`.
    """
    if min(image.shape[-2:]) < LEAST_PX:
        point = torch.ones(1, 1)
        return Estimate(point, 0.0, f"the picture is too small: both sides need {LEAST_PX} px")
    grey = luma(to_float(_window(image)))[0]
    psf = estimate(grey, step)
    longer = int(grey.shape[1] > grey.shape[0])
    halves = [estimate(half.contiguous(), step) for half in grey.tensor_split(2, longer)]
    alike = round(agreement(*halves), 3)
    if float(psf.max()) > SHARP_PEAK:
        return Estimate(psf, alike, "the picture is not blurred")
    if alike < LEAST_AGREEMENT:
        return Estimate(psf, alike, f"the halves of the picture disagree about it ({alike:.2f} of 1 alike)")
    return Estimate(psf, alike)


def _window(image: Array) -> Array:
    """Return the part of a picture (3, H, W), `WINDOW_PX` a side at most, that has the most edges."""
    h, w = image.shape[-2:]
    side_hw = (min(h, WINDOW_PX), min(w, WINDOW_PX))
    corners = [
        (top, left)
        for top in np.linspace(0, h - side_hw[0], 3).astype(int)
        for left in np.linspace(0, w - side_hw[1], 3).astype(int)
    ]
    windows = [image[:, top : top + side_hw[0], left : left + side_hw[1]] for top, left in corners]
    return max(windows, key=_roughness)


def _roughness(image: Array) -> float:
    """How much the green of a picture (3, H, W) changes over 4 px: less is noise than from pixel to pixel."""
    green = image[1, ::4, ::4].astype(np.float32)
    return float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean())
