"""Find a picture's blur in the picture, and tell whether what was found can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.tiling import to_float
from photorestore.pixels.tensors import luma
from photorestore.stages.deblur.estimation import LARGEST_PX, Fit, estimate
from photorestore.stages.deblur.methods import Denoise, Step
from photorestore.stages.deblur.psf_fitting import agreement, centred, moved_onto, widths
from photorestore.stages.deblur.refinement import refined
from photorestore.workspace import Array

WINDOW_PX = 512
"""Sides of the part of a large picture that is looked at: the one with the most edges."""
LEAST_PX = 4 * LARGEST_PX
"""A picture whose shorter side is below that has too few edges."""
FITS = (Fit(), Fit(psf_weight=32.0), Fit(edges_px=60))
"""Ways to look for a PSF."""
JOINED = 0.75
"""PSFs that are so much alike are joined."""
LEAST_AGREEMENT, LEAST_IN_SMALL = 0.9, 0.95
"""Where what is found in these ways is less alike, it is not trusted. Of 40 training photographs, held out of all
other choices, 14 were trusted; their PSFs were .88 to .98 of 1 alike to the true ones. From .75 on five more would
have been, of which three were .57 to .64 alike. In small pictures ways agree by chance more often: of 19 photographs
of 216x216 px, shaken or moved, of which all else was right, four had less than .95; one of these gained 1.6 dB over
the network, three lost 1.1 to 7.9."""
SMALL_PX = 256
"""A picture that has fewer pixels than such a square is small."""
LEAST_KEPT = 0.9
"""Nor is it trusted where refining makes a PSF of it that is less alike. Of 63 such photographs, of 216 and 400 px,
in which the ways agreed, that left out five that lost 1.3 to 9.5 dB against the network, and two that gained 1.3 and
2.0."""
WIDEST_PX = 9.5
"""Standard deviation of a PSF's light around its middle: 99 of 100 drawn shakes of up to 25 px have 9.2 at most.
Those of five training photographs that were quite wrong had 9.7 to 11.9."""
LENS, ROUNDISH, SHORT_PX = 0.75, 0.6, 2.5
"""Width of a PSF across its longest direction over that along it from which it counts as that of a lens; and from which
a short one (as `WIDEST_PX` is measured) counts likewise. With 28 discs and Gaussians, drawn like those that the network
has learned, it gained 2.7 dB on average, and the estimate 1.1; with eight short and roundish shakes and motions .7 more
than the estimate. With shakes and motions that are longer it gained .4 dB, and the estimate 2.6."""
SHARP_DB = 45.0
"""A picture is not blurred, either, if the network changes its part with most edges so little. Of 179 training
photographs that were blurred it changed all but two, which were so but a little, to less; of 11 sharp ones ten to 60
or more."""
SHARP_PEAK = 0.4
"""A picture is not blurred if so much of a point's light stays in one pixel."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The blur that was found.

    Attributes:
        psf: (K, K), K odd, its sum 1.
        agreement: how far it is alike to those that were found in other ways, 0 to 1.
        problem: why it cannot be trusted, or is not worth undoing; empty where it is good.
    """

    psf: Tensor
    agreement: float
    problem: str = ""

    @property
    def drawback(self) -> str:
        """Return why the network had better undo the blur; empty where the estimate does better."""
        across, along = widths(self.psf)
        least = ROUNDISH if math.hypot(across, along) < SHORT_PX else LENS
        if not self.problem and across > least * along:
            return "it is about as wide in all directions, as of a lens, which the network undoes better"
        return self.problem


def seems_blurred(image: Array, deblur: Callable[[Tensor], Tensor]) -> bool:
    """Return whether a picture (3, H, W) may be blurred at all.

    Args:
        deblur: the network, which leaves sharp pictures as they are.
    """
    part = to_float(window(image))[None]
    return psnr(deblur(part).cpu(), part) < SHARP_DB


def find_blur(image: Array, denoise: Denoise, sigma: float, step: Step = nullcontext) -> Estimate:
    """Return the blur that is found in a picture (3, H, W).

    It is looked for in several ways: where edges tell a PSF, all lead to it; where they do not, each leads elsewhere.

    Args:
        denoise: removes the noise of photographs, quickly.
        sigma: noise to reckon with, in [0, 1] units.
        step: see `estimate`.
    """
    if min(image.shape[-2:]) < LEAST_PX:
        point = torch.ones(1, 1)
        return Estimate(point, 0.0, f"the picture is too small: both sides need {LEAST_PX} px")
    grey = luma(to_float(window(image)))[0]
    first, alike = united([estimate(grey, step, fit=fit) for fit in FITS])
    psf = refined(grey, first, denoise, sigma, step)
    kept = round(agreement(first, psf), 3)
    if float(psf.max()) > SHARP_PEAK:
        return Estimate(psf, alike, "the picture is not blurred")
    if math.hypot(*widths(psf)) > WIDEST_PX:
        return Estimate(psf, alike, "it is wider than what can be found")
    if alike < (LEAST_AGREEMENT if grey.numel() >= SMALL_PX**2 else LEAST_IN_SMALL):
        return Estimate(psf, alike, f"several ways to find it disagree ({alike:.2f} of 1 alike)")
    if kept < LEAST_KEPT:
        return Estimate(psf, alike, f"the picture that it makes tells another ({kept:.2f} of 1 alike)")
    return Estimate(psf, alike)


def united(found: Sequence[Tensor]) -> tuple[Tensor, float]:
    """Return the mean of the PSFs (K, K) that agree with the one on which all agree most, and how far they do so."""
    likeness = torch.tensor([[agreement(one, other) for other in found] for one in found])
    to_others = (likeness.sum(1) - likeness.diagonal()) / (len(found) - 1)
    best = int(to_others.argmax())
    near = [psf for psf, alike in zip(found, likeness[best], strict=True) if alike >= JOINED]
    moved = [moved_onto(found[best], psf) for psf in near]
    return centred(torch.stack(moved).mean(0)), round(float(to_others[best]), 3)


def window(image: Array) -> Array:
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
    return sum(float(np.abs(np.diff(green, axis=axis)).mean()) for axis in (0, 1) if green.shape[axis] > 1)
