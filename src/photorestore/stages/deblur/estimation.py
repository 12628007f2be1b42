"""Estimate the point spread function of a blurred picture from its strong edges, from coarse to fine.

Alternates, at each size, between a picture of few, strong edges that explains the blurred one (Xu, Zheng, Jia,
*Unnatural L0 sparse representation*, CVPR 2013; Pan et al., *Deblurring text images via L0-regularized intensity and
gradient prior*, CVPR 2014) and the PSF that leads from the strongest of its gradients to the blurred ones (Cho, Lee,
*Fast motion deblurring*, SIGGRAPH Asia 2009).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.optics import Optics, spectrum_of
from photorestore.pixels.threads import one_thread
from photorestore.stages.deblur.methods import Step

LARGEST_PX = 35
"""Side of the PSF that is looked for: room for motion of 25 px."""
SMALLEST_PX = 5
SHRINKAGE = 0.5**0.5
"""From one size to the next."""
ROUNDS, LAST_ROUNDS = 5, 12
"""Alternations at each size, and at the last, where the PSF's details settle."""
EDGE_WEIGHT, WEIGHT_DECAY, LEAST_EDGE_WEIGHT = 4e-3, 1.1, 2e-3
"""Weight of the number of edges against the data, by which it falls in each round, and its least value: published is
1e-4, with which PSFs of training photographs became less like the true ones (.94 in place of .96)."""
STEEPEST = 1e5
"""Weight at which an auxiliary gradient must equal the picture's."""
EDGES_PX = 20
"""Gradients that are taken in each of four directions, for each pixel of the PSF's side."""
PSF_WEIGHT = 2.0
"""Weight of a smooth PSF against the data."""
GRADIENT_STEPS = 20
FAINT, LEAST_PART = 0.05, 0.1
"""A PSF's values below this share of its peak, and its islands with less than this share of its light, are noise."""


def estimate(image: Tensor, step: Step = nullcontext, largest_px: int = LARGEST_PX) -> Tensor:
    """Return the PSF (K, K), K odd and at most `largest_px`, not negative, its sum 1, its centre of gravity centred.

    Args:
        image: the blurred picture, grey, (H, W) in [0, 1], its sides at least `largest_px`.
        step: makes what is entered for each step of computing; it may raise to stop.
    """
    sides = _sides(largest_px)
    weight = EDGE_WEIGHT
    psf = torch.zeros(sides[0], sides[0], device=image.device)
    psf[sides[0] // 2, sides[0] // 2 - 1 : sides[0] // 2 + 1] = 0.5
    for number, side in enumerate(sides):
        share = SHRINKAGE ** (len(sides) - 1 - number)
        scale = Scale(
            _resized(image, tuple(max(side, round(share * length)) for length in image.shape)), side
        )
        psf, threshold = _centred(_cleaned(_resized(psf, (side, side)))), None
        for _ in range(LAST_ROUNDS if side == sides[-1] else ROUNDS):
            with step(), one_thread():
                gradients, threshold = scale.strongest(scale.edges_that_explain(psf, weight), threshold)
                psf = _cleaned(scale.psf_between(gradients))
            weight = max(weight / WEIGHT_DECAY, LEAST_EDGE_WEIGHT)
    return _centred(psf)


def agreement(one: Tensor, other: Tensor) -> float:
    """Return how far two PSFs (K, K) of one size are alike wherever they lie: the peak of their correlation, 0 to 1."""
    size = (2 * one.shape[-1],) * 2
    with one_thread():
        product = torch.fft.rfft2(one, size) * torch.fft.rfft2(other, size).conj()
        peak = torch.fft.irfft2(product, size).max()
    return min(1.0, float(peak / (one.norm() * other.norm())))


@dataclass(frozen=True)
class Scale:
    """A blurred picture of one size, (H, W), and the side of the PSF that is looked for in it."""

    blurred: Tensor
    side: int

    def edges_that_explain(self, psf: Tensor, weight: float) -> Tensor:
        """Return the picture of few edges, (H, W), that explains the blurred one.

        Minimises `|psf * x - blurred|^2 + weight |gradients of x|_0` by half-quadratic splitting.
        """
        seen = _wrapping(self.blurred, self.side)
        optics = Optics.of(psf, torch.ones_like(seen, dtype=torch.bool)[None, None])
        h, w = seen.shape
        rows = 2 - 2 * (2 * torch.pi * torch.fft.fftfreq(h, device=seen.device)).cos()
        columns = 2 - 2 * (2 * torch.pi * torch.fft.rfftfreq(w, device=seen.device)).cos()
        steepness = rows[:, None] + columns  # power of the gradients
        data = optics.back * spectrum_of(seen)
        x, beta = seen, 2 * weight
        while beta < STEEPEST:
            down, right = x.roll(-1, 0) - x, x.roll(-1, 1) - x
            is_flat = down.square() + right.square() < weight / beta
            down, right = down.masked_fill_(is_flat, 0), right.masked_fill_(is_flat, 0)
            divergence = (down.roll(1, 0) - down) + (right.roll(1, 1) - right)
            spectrum = (data + beta * spectrum_of(divergence)) / (optics.power + beta * steepness)
            x = optics.picture_of(spectrum)
            beta *= 2
        return x[: self.blurred.shape[0], : self.blurred.shape[1]]

    def strongest(self, image: Tensor, threshold: float | None) -> tuple[Tensor, float]:
        """Return the gradients (2, H, W) of a picture, 0 below a threshold, and the threshold for the next round.

        Args:
            threshold: of their squared lengths; None: enough are left in each of four directions.
        """
        gradients = _gradients(image)
        power = gradients.square().sum(0)
        if threshold is None:
            angle = torch.atan2(gradients[0], gradients[1]).remainder(torch.pi)
            sector = (angle * 4 / torch.pi).floor().clamp_max(3)
            wanted = EDGES_PX * self.side
            found = [power[sector == number] for number in range(4)]
            threshold = min(
                float(values.kthvalue(len(values) - wanted + 1).values) if len(values) >= wanted else 0.0
                for values in found
            )
        kept = gradients * (power >= threshold)
        return kept, threshold / WEIGHT_DECAY**2

    def psf_between(self, gradients: Tensor) -> Tensor:
        """Return the PSF (K, K) that best leads from sharp gradients (2, H, W) to the blurred ones, away from borders.

        Least squares by conjugate gradients, of the pixels whose surroundings all lie in the picture.
        """
        radius = self.side // 2
        h, w = self.blurred.shape
        inside = F.pad(
            self.blurred.new_ones(max(1, h - 2 * radius), max(1, w - 2 * radius)), _around(h, w, radius)
        )
        sharp = spectrum_of(gradients)

        def blur(psf: Tensor) -> Tensor:
            return Optics.of(psf, inside[None, None].bool()).blur(gradients) * inside

        def back(image: Tensor) -> Tensor:
            full = torch.fft.irfft2((sharp.conj() * spectrum_of(image)).sum(0), (h, w))
            return full.roll((radius, radius), (0, 1))[: self.side, : self.side]

        psf = self.blurred.new_full((self.side, self.side), 1 / self.side**2)
        left = back(_gradients(self.blurred) * inside - blur(psf)) - PSF_WEIGHT * psf
        step, before = torch.zeros_like(psf), None
        for _ in range(GRADIENT_STEPS):
            decrease = left.square().sum()
            step = left if before is None else left + decrease / before * step
            change = back(blur(step)) + PSF_WEIGHT * step
            length = decrease / (step * change).sum().clamp_min(1e-20)
            psf, left, before = psf + length * step, left - length * change, decrease.clamp_min(1e-20)
        return psf


def _sides(largest_px: int) -> list[int]:
    """Sides of the PSF from coarse to fine, odd."""
    sides = [largest_px | 1]
    while (side := round(sides[-1] * SHRINKAGE) // 2 * 2 + 1) >= SMALLEST_PX and side < sides[-1]:
        sides.append(side)
    return sides[::-1]


def _resized(image: Tensor, size_hw: tuple[int, ...]) -> Tensor:
    if image.shape == size_hw:
        return image
    return F.interpolate(image[None, None], size_hw, mode="bilinear", antialias=True)[0, 0]


def _gradients(image: Tensor) -> Tensor:
    """Differences to the pixels below and to the right, (2, H, W)."""
    down = F.pad(image.diff(dim=0), (0, 0, 0, 1))
    right = F.pad(image.diff(dim=1), (0, 1))
    return torch.stack([down, right])


def _around(h: int, w: int, radius: int) -> tuple[int, int, int, int]:
    """Margins of a picture's inside, as `pad` takes them."""
    rows, columns = (length - max(1, length - 2 * radius) for length in (h, w))
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2


def _wrapping(image: Tensor, margin_px: int) -> Tensor:
    """Append rows and columns that fade from the last to the first, so that the picture (H, W) repeats smoothly."""
    for axis in (0, 1):
        margin = min(margin_px, image.shape[axis])
        after = image.flip(axis).narrow(axis, 0, margin)
        before = image.flip(axis).narrow(axis, image.shape[axis] - margin, margin)
        share = (torch.arange(margin, device=image.device) + 0.5) / margin
        share = share[:, None] if axis == 0 else share
        image = torch.cat([image, torch.lerp(after, before, share)], axis)
    return image


def _cleaned(psf: Tensor) -> Tensor:
    """Return a PSF without negative and faint values and without small islands, its sum 1."""
    psf = psf.masked_fill(psf < FAINT * psf.max(), 0).clamp_min(0)
    if psf.sum() <= 0:
        psf = torch.zeros_like(psf)
        psf[psf.shape[0] // 2, psf.shape[1] // 2] = 1
    labels = _islands(psf > 0)
    light = torch.zeros(int(labels.max()) + 1, device=psf.device).index_add_(
        0, labels.flatten(), psf.flatten()
    )
    kept = (light >= min(LEAST_PART * float(psf.sum()), float(light.max())))[labels]
    psf = psf * kept
    return psf / psf.sum()


def _islands(is_lit: Tensor) -> Tensor:
    """Return for each pixel (K, K) the number of its island, 0 where it is dark."""
    numbers = torch.arange(1, is_lit.numel() + 1, device=is_lit.device).view_as(is_lit)
    labels = (numbers * is_lit).float()
    for _ in range(is_lit.numel()):
        grown = F.max_pool2d(labels[None], 3, 1, 1)[0] * is_lit
        if torch.equal(grown, labels):
            break
        labels = grown
    return labels.long()


def _centred(psf: Tensor) -> Tensor:
    """Move the centre of gravity to the middle, by whole pixels; what leaves on one side is lost."""
    at = torch.arange(psf.shape[0], device=psf.device, dtype=psf.dtype) - psf.shape[0] // 2
    shifts = [round(float((psf.sum(1 - axis) * at).sum())) for axis in (0, 1)]
    moved = psf.roll([-shift for shift in shifts], (0, 1))
    for axis, shift in enumerate(shifts):
        if shift:
            edge = moved.narrow(axis, psf.shape[0] - shift if shift > 0 else 0, abs(shift))
            edge.zero_()
    return moved / moved.sum()
