"""Fit a point spread function to a blurred picture and what it may have been: to their gradients, by least squares."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from photorestore.pixels.optics import fast_length
from photorestore.pixels.threads import one_thread

GRADIENT_STEPS = 20
FAINT, LEAST_PART = 0.05, 0.1
"""A PSF's values below this share of its peak, and its islands with less than this share of its light, are noise."""
LEAST_VARIANCE = 1 / 6
"""That of a pixel, which is as far as a point's light goes."""


def gradients_of(image: Tensor) -> Tensor:
    """Return the differences of a picture (H, W) to the pixels below and to the right, (2, H, W)."""
    down = F.pad(image.diff(dim=0), (0, 0, 0, 1))
    right = F.pad(image.diff(dim=1), (0, 1))
    return torch.stack([down, right])


def steepness_of(gradients: Tensor, wanted: int) -> float:
    """Return the squared length that `wanted` gradients (2, H, W) or more exceed in each of four directions."""
    power = gradients.square().sum(0)
    angle = torch.atan2(gradients[0], gradients[1]).remainder(torch.pi)
    sector = (angle * 4 / torch.pi).floor().clamp_max(3)
    found = [power[sector == number] for number in range(4)]
    return min(
        float(values.kthvalue(len(values) - wanted + 1).values) if len(values) >= wanted else 0.0
        for values in found
    )


def fitted_psf(sharp: Tensor, blurred: Tensor, side: int, weight: float) -> Tensor:
    """Return the PSF (K, K) that best leads from sharp gradients to blurred ones, away from the borders.

    Minimises `|psf * sharp - blurred|^2 + weight |psf|^2` by conjugate gradients, which need no more of the gradients
    than how they correlate as far as the PSF reaches. See `cleaned` for what is left of it.

    Args:
        sharp, blurred: (2, H, W).
        side: K, odd.
        weight: of a faint and smooth PSF against the data.
    """
    radius, (h, w) = side // 2, sharp.shape[1:]
    inside = F.pad(sharp.new_ones(max(1, h - 2 * radius), max(1, w - 2 * radius)), _around(h, w, radius))
    size = (fast_length(h + side), fast_length(w + side))
    spectrum = torch.fft.rfft2(sharp * inside, size)
    across = torch.fft.irfft2((spectrum.conj() * torch.fft.rfft2(blurred, size)).sum(0), size)
    across = across.roll((radius, radius), (0, 1))[:side, :side]
    along = torch.fft.irfft2(spectrum.abs().square().sum(0), size)
    along = along.roll((side - 1, side - 1), (0, 1))[: 2 * side - 1, : 2 * side - 1]
    room = (fast_length(3 * side),) * 2
    correlated = torch.fft.rfft2(along, room)

    def normal(psf: Tensor) -> Tensor:
        full = torch.fft.irfft2(correlated * torch.fft.rfft2(psf, room), room)
        return full[side - 1 : 2 * side - 1, side - 1 : 2 * side - 1] + weight * psf

    psf = sharp.new_full((side, side), 1 / side**2)
    left = across - normal(psf)
    step, before = torch.zeros_like(psf), None
    for _ in range(GRADIENT_STEPS):
        decrease = left.square().sum()
        step = left if before is None else left + decrease / before * step
        change = normal(step)
        length = decrease / (step * change).sum().clamp_min(1e-20)
        psf, left, before = psf + length * step, left - length * change, decrease.clamp_min(1e-20)
    return psf


def agreement(one: Tensor, other: Tensor) -> float:
    """Return how far two PSFs (K, K) of one size are alike wherever they lie: the peak of their correlation, 0 to 1."""
    return min(1.0, float(_correlation(one, other).max() / (one.norm() * other.norm())))


def widths(psf: Tensor) -> tuple[float, float]:
    """Return the standard deviation, in px, of a PSF's (K, K) light across its longest direction, and along it."""
    at = torch.arange(psf.shape[0], device=psf.device, dtype=psf.dtype)
    places = torch.stack(torch.meshgrid(at, at, indexing="ij")).flatten(1)
    light = psf.flatten() / psf.sum()
    around = places - (places @ light)[:, None]
    across, along = torch.linalg.eigvalsh((light * around) @ around.T).clamp_min(0).sqrt().tolist()
    return across, along


def likeness_to_lens(psf: Tensor) -> float:
    """Return how far a PSF (K, K) is alike to the Gaussian or the disc of its width, whichever is more so; 0 to 1."""
    variance = max(LEAST_VARIANCE, sum(width**2 for width in widths(psf)))
    at = torch.arange(psf.shape[0], device=psf.device, dtype=psf.dtype) - psf.shape[0] // 2
    from_middle = torch.hypot(at[:, None], at[None])
    soft = (-from_middle.square() / variance).exp()
    disc = (math.sqrt(2 * variance) + 0.5 - from_middle).clamp(0, 1)
    return max(agreement(psf, soft), agreement(psf, disc))


def moved_onto(target: Tensor, psf: Tensor) -> Tensor:
    """Return a PSF (K, K) moved, by whole pixels, to where it is most like another; what leaves it comes in again."""
    found = _correlation(target, psf)
    shifts = divmod(int(found.argmax()), found.shape[1])
    return psf.roll(shifts, (0, 1))  # a negative shift by n is one by 2 K - n, and so the same modulo K


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """Return by how much PSFs (K, K) match for each shift of the other, (2 K, 2 K), negative ones last."""
    size = (2 * one.shape[-1],) * 2
    with one_thread():
        return torch.fft.irfft2(torch.fft.rfft2(one, size) * torch.fft.rfft2(other, size).conj(), size)


def wrapping(image: Tensor, margin_px: int) -> Tensor:
    """Append rows and columns that fade from the last to the first, so that a picture (H, W) repeats smoothly.

    Args:
        margin_px: how many at least; more make a size whose spectrum is computed fast.
    """
    for axis in (0, 1):
        side = image.shape[axis]
        margin = min(side, fast_length(side + min(margin_px, side)) - side)
        after = image.flip(axis).narrow(axis, 0, margin)
        before = image.flip(axis).narrow(axis, side - margin, margin)
        share = (torch.arange(margin, device=image.device) + 0.5) / margin
        share = share[:, None] if axis == 0 else share
        image = torch.cat([image, torch.lerp(after, before, share)], axis)
    return image


def cleaned(psf: Tensor) -> Tensor:
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


def centred(psf: Tensor) -> Tensor:
    """Move the centre of gravity to the middle, by whole pixels; what leaves on one side is lost."""
    at = torch.arange(psf.shape[0], device=psf.device, dtype=psf.dtype) - psf.shape[0] // 2
    shifts = [round(float((psf.sum(1 - axis) * at).sum())) for axis in (0, 1)]
    moved = psf.roll([-shift for shift in shifts], (0, 1))
    for axis, shift in enumerate(shifts):
        if shift:
            edge = moved.narrow(axis, psf.shape[0] - shift if shift > 0 else 0, abs(shift))
            edge.zero_()
    return moved / moved.sum()


def _around(h: int, w: int, radius: int) -> tuple[int, int, int, int]:
    """Margins of a picture's inside, as `pad` takes them."""
    rows, columns = (length - max(1, length - 2 * radius) for length in (h, w))
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
