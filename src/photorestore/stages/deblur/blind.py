"""Find a picture's blur in the picture, and tell whether what was found can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from photorestore.fidelity import psnr
from photorestore.networks.tiling import to_float
from photorestore.pixels.tensors import luma
from photorestore.stages.deblur.estimation import LARGEST_PX, Fit, estimate
from photorestore.stages.deblur.explanation import misfit
from photorestore.stages.deblur.light import light_of, matching
from photorestore.stages.deblur.methods import Denoise, Step
from photorestore.stages.deblur.psf_fitting import agreement, centred, likeness_to_lens, moved_onto, widths
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
LEAST_AGREEMENT, LEAST_IN_SMALL = 0.85, 0.95
"""Where what is found in these ways is less alike, it is not trusted. Of two shaken photographs with less of which all
else was right one gained 2.6 dB over the network, and one lost 4.5; a sharp one that had .80 was spoiled. In small
pictures ways agree by chance more often: of 19 photographs of 216x216 px, shaken or moved, of which all else was
right, four had less than .95; one of these gained 1.6 dB over the network, three lost 1.1 to 7.9."""
LEAST_LIKENESS = 0.9
"""Least mean of three likenesses: of the ways to each other, of what they found to what refining makes of it, and of
that to what light tells. Of 62 training photographs, shaken or moved, 54 had as much, and ways that agree."""
SMALL_PX = 256
"""A picture that has fewer pixels than such a square is small."""
WIDEST_PX = 9.5
"""Standard deviation of a PSF's light around its middle: 99 of 100 drawn shakes of up to 25 px have 9.2 at most.
Those of five training photographs that were quite wrong had 9.7 to 11.9."""
ROUND, LIKE_ROUND = 0.75, 0.55
"""A PSF whose width across its longest direction is more than that of its width along it counts as that of a lens from
that likeness on. Of 50 shakes two were as round and less alike; the estimate gained 2.9 and 5.0 dB more with them."""
LENS = 0.62
"""Likeness of a PSF to the Gaussian or the disc of its width, times its width across its longest direction over that
along it, from which it counts as that of a lens: 25 of 26 drawn discs and Gaussians had more; with all of
them the network gained 2.6 dB on average, and their estimates 1.4. Of 50 shakes two had more; with these the estimates
gained 1.4 and .2 more than the network."""
ROUNDS_IN_LIGHT = 2
"""Of refining in light what was refined in sRGB values. On eight photographs it became as alike to the true ones by two
as by three, .89, and as by six that began where the refining in sRGB values began."""
EXPLAINED_PX = 256
"""Sides of the part in which the explanations are compared. All of 400x400 px told no more."""
LEAST_DOUBT = 4.0 / 255
"""Least noise to reckon with where the PSF was estimated: what it explains wrongly rings less then. It gained more than
6 or 8 of 255; one photograph with hardly any noise gained .5 dB without it, 1.8 with."""
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
        of_light: whether light was blurred, as in a camera; else sRGB values were, as far as can be told.
    """

    psf: Tensor
    agreement: float
    problem: str = ""
    of_light: bool = False

    @property
    def drawback(self) -> str:
        """Return why the network had better undo the blur; empty where the estimate does better."""
        across, along = widths(self.psf)
        likeness = likeness_to_lens(self.psf)
        is_round = across > ROUND * along and likeness > LIKE_ROUND
        if not self.problem and (is_round or likeness * across > LENS * along):
            return "its shape is as of a lens, which the network undoes better"
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
    part = to_float(window(image))
    grey = luma(part)[0]
    first, alike = united([estimate(grey, step, fit=fit) for fit in FITS])
    psf = refined(grey, first, denoise, sigma, step)
    if float(psf.max()) > SHARP_PEAK:
        return Estimate(psf, alike, "the picture is not blurred")
    if math.hypot(*widths(psf)) > WIDEST_PX:
        return Estimate(psf, alike, "it is wider than what can be found")
    light = luma(light_of(part))[0]
    in_light = refined(light, psf, matching(denoise, of_light=True), sigma, step, ROUNDS_IN_LIGHT)
    likeness = (alike, agreement(first, psf), agreement(psf, in_light))
    least = LEAST_AGREEMENT if grey.numel() >= SMALL_PX**2 else LEAST_IN_SMALL
    if alike < least or round(fmean(likeness), 3) < LEAST_LIKENESS:
        told = ", ".join(f"{share:.2f}" for share in likeness)
        return Estimate(
            psf, alike, f"several ways to find it, its refinement and light disagree ({told} of 1 alike)"
        )
    part, noise = to_float(window(image, EXPLAINED_PX)), max(sigma, LEAST_DOUBT)
    of_values = misfit(part, psf, denoise, noise, step, of_light=False)
    of_light = misfit(part, in_light, denoise, noise, step, of_light=True) < of_values
    return Estimate(in_light if of_light else psf, alike, of_light=of_light)


def united(found: Sequence[Tensor]) -> tuple[Tensor, float]:
    """Return the mean of the PSFs (K, K) that agree with the one on which all agree most, and how far they do so."""
    likeness = torch.tensor([[agreement(one, other) for other in found] for one in found])
    to_others = (likeness.sum(1) - likeness.diagonal()) / (len(found) - 1)
    best = int(to_others.argmax())
    near = [psf for psf, alike in zip(found, likeness[best], strict=True) if alike >= JOINED]
    moved = [moved_onto(found[best], psf) for psf in near]
    return centred(torch.stack(moved).mean(0)), round(float(to_others[best]), 3)


def window(image: Array, side_px: int = WINDOW_PX) -> Array:
    """Return the part of a picture (3, H, W), `side_px` a side at most, that has the most edges."""
    h, w = image.shape[-2:]
    side_hw = (min(h, side_px), min(w, side_px))
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
